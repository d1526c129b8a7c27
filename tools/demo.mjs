#!/usr/bin/env node
// `npm run demo`: from a fresh clone to SmolLM2-135M fine-tuned through the mesh. Options: --full, --json FILE, --seed N.
import { join } from 'node:path';
import { checkNode, installDependencies, prepare, root, runTypeScript } from './set-up.mjs';

checkNode();
const args = process.argv.slice(2);
await installDependencies();
if (!args.includes('--help') && !args.includes('-h')) await prepare({ model: true });
process.exitCode = await runTypeScript([join(root, 'clients', 'cli', 'src', 'demo', 'main.ts'), ...args]);
