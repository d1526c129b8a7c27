/** What a model directory holds besides its weights: configuration, tokenizer, chat template, licence. */
import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Weights in any format; copied along, they would contradict the ones written beside them. */
const weights = /\.(safetensors|bin|pt|pth|ckpt|gguf|h5|msgpack|onnx|npz)$|\.(safetensors|bin)\.index\.json$/;

/** Copies every plain file that holds no weights, except those in `except`; folders and hidden files stay behind. */
export function copyModelFiles(from: string, to: string, except: readonly string[] = []): string[] {
  const names = readdirSync(from, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
    .filter((name) => !weights.test(name) && !except.includes(name));
  for (const name of names) copyFileSync(join(from, name), join(to, name));
  return names;
}
