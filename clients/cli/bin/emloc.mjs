#!/usr/bin/env node
// No build step stands between a clone and the first command: the first one compiles.
import { runProgram } from '@emloc/launch';
await runProgram(new URL('../src/main.ts', import.meta.url));
