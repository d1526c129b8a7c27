#!/usr/bin/env node
/** `npx nx run @emloc/go-client:generate`: the stubs under gen/ anew, after a change of proto/. */
import { generateStubs, missingGo } from './go.mjs';

const missing = missingGo();
const { passed, text } = missing === undefined ? generateStubs() : { passed: false, text: missing };
if (text !== '') console.error(text);
process.exitCode = passed ? 0 : 1;
