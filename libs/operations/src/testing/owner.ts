/** A service in a process of its own, for tests that kill one: starts the operation it is told and says its worker's id. */
import { OperationManager } from '../manager/operation-manager.ts';

const [stateDir = '', id = '', kind = '', request = '{}', leaseMs = '1000'] = process.argv.slice(2);
const worker = new URL('./worker.ts', import.meta.url);
const manager = new OperationManager({ stateDir, kinds: { [kind]: { worker } }, leaseMs: Number(leaseMs) });
await manager.start({ id, kind, request: JSON.parse(request) });
setInterval(() => {}, 1000);
