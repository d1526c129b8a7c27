/** grpc.health.v1 as a probe asks it: once, or watched. */
import { ChannelCredentials, Client, type ClientReadableStream } from '@grpc/grpc-js';
import { service } from 'grpc-health-check';

interface Answer {
  readonly status: string;
}
interface Method {
  readonly path: string;
  readonly requestSerialize: (message: object) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => Answer;
}

export function health(address: string, name: string): Promise<string> {
  const client = new Client(address, ChannelCredentials.createInsecure());
  const { path, requestSerialize, responseDeserialize } = service['Check'] as unknown as Method;
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { service: name },
      (error, answer) => {
        client.close();
        if (error === null) resolve(answer?.status ?? '');
        else reject(error);
      },
    );
  });
}

export class HealthWatch {
  last: string | undefined;
  readonly #client: Client;
  readonly #stream: ClientReadableStream<Answer>;

  constructor(address: string, name: string) {
    this.#client = new Client(address, ChannelCredentials.createInsecure());
    const { path, requestSerialize, responseDeserialize } = service['Watch'] as unknown as Method;
    this.#stream = this.#client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
      service: name,
    });
    this.#stream.on('data', ({ status }: Answer) => (this.last = status));
    this.#stream.on('error', () => {});
  }

  close(): void {
    this.#stream.cancel();
    this.#client.close();
  }
}
