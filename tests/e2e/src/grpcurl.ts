/** Where grpcurl is: on the PATH, or made by the toolbox (once, into the cache) where there is Go. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const onPath = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'grpcurl'))
  .find((path) => existsSync(path));

async function made(): Promise<string | undefined> {
  // A script for Node alone, without types.
  const script = new URL('../../../tools/toolbox/toolbox.mjs', import.meta.url).href;
  const { toolPath } = (await import(script)) as { toolPath(name: string): Promise<string> };
  try {
    return await toolPath('grpcurl');
  } catch (error) {
    console.warn(`grpcurl: ${(error as Error).message}`);
    return undefined;
  }
}

const path = onPath ?? (await made());

/** `skipped`: what a title says where there is none. */
export const grpcurl = {
  path,
  skipped: path === undefined ? ' (skipped: no grpcurl on the PATH, and no Go to make it with)' : '',
};
