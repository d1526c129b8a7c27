import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { Output } from '../output/output.ts';
import type { ArtifactClient } from '../wire/artifact.ts';
import { RemoteFiles } from './remote-files.ts';

const streams = { stdout: new PassThrough(), stderr: new PassThrough() };
const files = (...roots: string[]): RemoteFiles =>
  new RemoteFiles({} as ArtifactClient, roots, new Output({ json: false, streams, environment: {} }));

test("a model is a path inside the mesh's model roots, absolute or below the first", () => {
  expect(files('/models').model('/models/llama')).toEqual({ path: '/models/llama' });
  expect(files('/models', '/more').model('llama')).toEqual({ path: '/models/llama' });
  expect(files('/').model('/anywhere')).toEqual({ path: '/anywhere' });
});

test.each(['/home/me/llama', '/models-of-others/llama', '../llama', '/models/../etc'])(
  'a model at %s is refused, and the roots are named',
  (path) => {
    expect(() => files('/models').model(path)).toThrow(
      expect.objectContaining({ field: '--model', value: path, mend: expect.stringContaining('/models') }),
    );
  },
);
