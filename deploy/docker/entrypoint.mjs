/**
 * What the image runs, by its first argument. A service listens on every interface of its container unless
 * EMLOC_LISTEN_ADDRESS says otherwise; all else is the environment's (docs/deployment.md).
 */
import { runProgram } from '@emloc/launch';
import { ports } from './services.mjs';

const usage = `usage: ${Object.keys(ports).join(' | ')} | migrate | check | emloc COMMAND …

Runs one service of the mesh, brings its database up to date, looks whether all of its services are reached, or runs a
command of its command line.
`;

const commands = {
  migrate: 'services/coordinator/src/migrate.ts',
  check: 'services/coordinator/src/check.ts',
};

const run = (path) => runProgram(new URL(`../../${path}`, import.meta.url));

/** The first process of a container gets no signal that it has no handler for; a service sets its own when it is up. */
function endBeforeReady() {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(143);
    });
  }
}

const [name, ...rest] = process.argv.slice(2);
if (name === 'emloc') {
  process.argv.splice(2, 1);
  await run('clients/cli/src/main.ts');
} else if (rest.length === 0 && Object.hasOwn(ports, name ?? '')) {
  endBeforeReady();
  process.env.EMLOC_LISTEN_ADDRESS ||= `0.0.0.0:${ports[name]}`;
  await run(`services/${name}/src/main.ts`);
} else if (rest.length === 0 && Object.hasOwn(commands, name ?? '')) {
  endBeforeReady();
  await run(commands[name]);
} else {
  const asked = name === '--help';
  (asked ? process.stdout : process.stderr).write(usage);
  process.exitCode = asked ? 0 : 2;
}
