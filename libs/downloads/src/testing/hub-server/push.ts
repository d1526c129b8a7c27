/** The writing half of the hub's interface: nothing yet. */
import type { HubCall } from './hub-server.ts';

export async function push(_call: HubCall): Promise<boolean> {
  return false;
}
