import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { copyModelFiles } from './copy-model-files.ts';

function directoryOf(names: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'emloc-copy-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  for (const name of names) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), name);
  }
  return directory;
}

const needed = [
  'LICENSE',
  'LICENSE.txt',
  'Notice',
  'added_tokens.json',
  'additional_chat_templates/tool_use.jinja',
  'chat_template.jinja',
  'chat_template.json',
  'config.json',
  'generation_config.json',
  'merges.txt',
  'qwen.tiktoken',
  'sentencepiece.bpe.model',
  'special_tokens_map.json',
  'spiece.model',
  'tekken.json',
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'vocab.json',
  'vocab.txt',
];

test('what a model directory needs is copied: configuration, tokenizer, chat templates, licence', () => {
  const to = directoryOf([]);
  const copied = copyModelFiles(directoryOf(needed), to);
  expect(copied.sort()).toEqual(needed);
  const names = readdirSync(to, { recursive: true, encoding: 'utf8' }).sort();
  expect(names).toEqual([...needed, 'additional_chat_templates'].sort());
  expect(readFileSync(join(to, 'additional_chat_templates/tool_use.jinja'), 'utf8')).toMatch('tool_use');
});

test('nothing else is: no weights in any format, no pictures, no folders, no repository', () => {
  const others = [
    'README.md',
    '.gitattributes',
    '.git/config',
    'model.safetensors',
    'model.safetensors.index.json',
    'pytorch_model.bin',
    'model-q4.gguf',
    'onnx/model.onnx',
    'onnx/config.json',
    'optimizer.pt',
    'training_args.bin',
    'trainer_state.json',
    'emloc.json',
    'plot.png',
    'additional_chat_templates/notes.md',
  ];
  const to = directoryOf([]);
  expect(copyModelFiles(directoryOf([...others, 'config.json']), to)).toEqual(['config.json']);
  expect(readdirSync(to)).toEqual(['config.json']);
});

test('links are followed, as those of the cache that the hub fills', () => {
  const from = directoryOf(['blobs/abc']);
  symlinkSync(join(from, 'blobs', 'abc'), join(from, 'config.json'));
  const to = directoryOf([]);
  copyModelFiles(from, to);
  expect(readFileSync(join(to, 'config.json'), 'utf8')).toBe('blobs/abc');
});
