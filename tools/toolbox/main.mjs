#!/usr/bin/env node
/**
 * Tools that are built or fetched once, and kept: `node tools/toolbox/main.mjs NAME…` prints a path a line, `--all`
 * gets every one, `--list` prints names and versions. Progress goes to stderr.
 */
import { recipeNames, toolPath, versionOf } from './toolbox.mjs';

const args = process.argv.slice(2);
if (args.length === 0 || args.includes('--help')) {
  console.error(
    `usage: node tools/toolbox/main.mjs (NAME… | --all | --list)\nNAME: ${recipeNames().join(', ')}`,
  );
  process.exit(args.length === 0 ? 2 : 0);
}
try {
  if (args.includes('--list')) {
    for (const name of recipeNames()) console.log(`${name} ${await versionOf(name)}`);
  } else {
    for (const name of args.includes('--all') ? recipeNames() : args) console.log(await toolPath(name));
  }
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
