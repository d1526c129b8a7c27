/** Objects over a socket, one JSON line each. */
import type { Socket } from 'node:net';

const maxLineBytes = 64 * 1024;

export function sendLine(socket: Socket, message: object): void {
  if (!socket.destroyed) socket.write(`${JSON.stringify(message)}\n`);
}

/** Calls back for each line that is an object; a line that is not, or is too long, ends the connection. */
export function onLines(socket: Socket, receive: (message: Record<string, unknown>) => void): void {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > maxLineBytes) socket.destroy();
    for (const line of lines) {
      try {
        receive(JSON.parse(line) as Record<string, unknown>);
      } catch {
        socket.destroy();
      }
    }
  });
}
