#!/usr/bin/env node
// Runs the TypeScript command line as it is: tsx strips the types, so no build step stands between a clone and the first command.
import { register } from 'tsx/esm/api';
register();
await import('../src/main.ts');
