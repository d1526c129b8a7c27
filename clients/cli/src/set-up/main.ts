/** What `npm run demo` and `npm test` need besides npm's packages: TensorFlow, and with `--model` the demo model. */
import { demoModelName, fetchModel } from '../models/fetch-model.ts';
import { runWork } from '../run-work.ts';
import { prepareRuntime } from '../session/prepare-runtime.ts';

process.exitCode = await runWork(
  { streams: process, environment: process.env },
  async ({ output, signal }) => {
    await prepareRuntime(output);
    if (process.argv.includes('--model')) await fetchModel(output, demoModelName, { signal });
  },
);
