#!/usr/bin/env node
/**
 * `node tools/with-mesh.mjs COMMAND [ARGUMENT…]`: runs a command beside a mesh of its own, for tests of clients in any
 * language. The mesh (`emloc up --json`) has a temporary EMLOC_HOME and ends with the command, whose exit code is passed on.
 *
 * The command finds in its environment
 *   EMLOC_ADDRESS            the coordinator's address, host:port
 *   EMLOC_<SERVICE>_ADDRESS  that of each service, the coordinator's too
 *   EMLOC_HOME               the mesh's state; what lies in it may be read by the mesh
 *   EMLOC_MESH_CONTROL       http://host:port: a POST to /kill/<service> kills that service's process (SIGKILL), which the
 *                            mesh starts again at the same address, at most five times; a POST to /stop/<service> holds it
 *                            (SIGSTOP), and to /continue/<service> lets it go on. Each answers {"pid": …}
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fail, installDependencies, root, runChild } from './set-up.mjs';

const signals = { kill: 'SIGKILL', stop: 'SIGSTOP', continue: 'SIGCONT' };

const [command, ...args] = process.argv.slice(2);
if (command === undefined) fail('no command', 'node tools/with-mesh.mjs COMMAND [ARGUMENT…]');
await installDependencies();

const directory = mkdtempSync(join(tmpdir(), 'emloc-mesh-'));
const home = join(directory, 'home');
const mesh = startMesh();
process.on('exit', () => mesh.child.kill('SIGINT'));
let code = 1;
const control = createServer(answer);
try {
  const addresses = await mesh.addresses;
  await new Promise((resolve) => control.listen(0, '127.0.0.1', resolve));
  code = await runChild(command, args, { stdio: 'inherit', env: environmentOf(addresses) });
} catch (error) {
  console.error(`error: ${error.message}`);
} finally {
  control.close();
  control.closeAllConnections();
  mesh.child.kill('SIGINT');
  await mesh.ended;
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(code);

/** The channel ends with this process, however that ends, and the mesh with the channel. */
function startMesh() {
  const preload = join(root, 'clients', 'cli', 'src', 'mesh', 'end-with-parent.mjs');
  const emloc = join(root, 'clients', 'cli', 'bin', 'emloc.mjs');
  const child = spawn(process.execPath, ['--import', preload, emloc, 'up', '--json'], {
    env: { ...process.env, EMLOC_HOME: home },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
    // A Ctrl-C of the terminal is the command's first.
    detached: true,
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const addresses = new Promise((resolve, reject) => {
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
      const up = parsed(said);
      if (up !== undefined) resolve(up.addresses);
    });
    child.once('error', reject);
    ended.then((status) => reject(new Error(`the mesh ended at its start (exit code ${status})`)));
  });
  addresses.catch(() => undefined);
  return { child, ended, addresses };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function environmentOf(addresses) {
  const named = Object.entries(addresses).map(([name, address]) => [
    `EMLOC_${name.toUpperCase()}_ADDRESS`,
    address,
  ]);
  return {
    ...process.env,
    ...Object.fromEntries(named),
    EMLOC_ADDRESS: addresses.coordinator,
    EMLOC_HOME: home,
    EMLOC_MESH_CONTROL: `http://127.0.0.1:${control.address().port}`,
  };
}

function answer(request, response) {
  const [, verb = '', service = ''] = (request.url ?? '').split('/');
  const signal = signals[verb];
  const pid = signal === undefined ? undefined : processOf(service);
  if (request.method !== 'POST' || pid === undefined) {
    response.writeHead(404).end(JSON.stringify({ error: `no such action, or no process of '${service}'` }));
    return;
  }
  process.kill(pid, signal);
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ pid }));
}

/** The process of a service of this mesh: its command line names the program, compiled or not, its environment the home. */
function processOf(service) {
  if (!/^[a-z]+$/.test(service)) return undefined;
  const main = new RegExp(`/services/${service}/src/main\\.m?[jt]s$`);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) =>
      procFile(pid, 'cmdline')
        .split('\0')
        .some((word) => main.test(word)),
    )
    .filter((pid) => procFile(pid, 'environ').split('\0').includes(`EMLOC_HOME=${home}`))
    .map(Number)[0];
}

function procFile(pid, name) {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
}
