/**
 * What the image runs, by its first argument. A service listens on every interface of its container unless
 * EMLOC_LISTEN_ADDRESS says otherwise; all else is the environment's (docs/deployment.md).
 */
import { runProgram } from '@emloc/launch';
import { defaultPorts, serviceNames } from '@emloc/mesh/services';
import { programs } from './programs.mjs';

const usage = `usage: ${serviceNames.join(' | ')} | migrate | check | emloc COMMAND …

Runs one service of the mesh, brings its database up to date, looks whether all of its services are reached, or runs a
command of its command line.
`;

/** The first process of a container gets no signal that it has no handler for; a service sets its own when it is up. */
function endBeforeReady() {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(143);
    });
  }
}

const [name = '', ...rest] = process.argv.slice(2);
if (name === 'emloc') {
  process.argv.splice(2, 1);
  await runProgram(programs.emloc);
} else if (rest.length === 0 && Object.hasOwn(programs, name)) {
  endBeforeReady();
  if (Object.hasOwn(defaultPorts, name)) process.env.EMLOC_LISTEN_ADDRESS ||= `0.0.0.0:${defaultPorts[name]}`;
  await runProgram(programs[name]);
} else {
  const asked = name === '--help';
  (asked ? process.stdout : process.stderr).write(usage);
  process.exitCode = asked ? 0 : 2;
}
