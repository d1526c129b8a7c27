import { EmlocError } from '@emloc/errors';
import { expect, test } from 'vitest';
import { ByteTokenizer } from './byte-tokenizer.test-helper.ts';
import type { Row } from './rows.ts';
import type { ChatMessage, MarkedConversation } from './tokenizer.ts';
import { tokenizeRows, type TokenizeOptions } from './tokenize-rows.ts';

const place = { file: 'data.jsonl', line: 7 };
const chat: Row = {
  ...place,
  kind: 'messages',
  messages: [
    { role: 'system', content: 'short' },
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'first' },
    { role: 'user', content: 'so' },
    { role: 'assistant', content: 'yes' },
  ],
};

/** The learnt runs of a row's tokens, as text. */
function learnt(row: Row, options: TokenizeOptions, tokenizer: ByteTokenizer): string[] {
  const { inputIds, labels } = tokenizeRows([row], tokenizer, options)[0]!;
  const runs: number[][] = [];
  labels.forEach((label, t) => {
    if (label === -100) return;
    expect(label).toBe(inputIds[t]);
    if (labels[t - 1] === -100) runs.push([]);
    runs.at(-1)?.push(label);
  });
  return runs.map((ids) => tokenizer.decode(ids));
}

test('all turns of the assistant are learnt, each with its end; the last alone; or everything', () => {
  const tokenizer = new ByteTokenizer();
  expect(learnt(chat, { lossOn: 'assistant' }, tokenizer)).toEqual(['first<|end|>', 'yes<|end|>']);
  expect(learnt(chat, { lossOn: 'completion' }, tokenizer)).toEqual(['yes<|end|>']);
  expect(learnt(chat, { lossOn: 'all' }, tokenizer)[0]).toMatch(/^system\nshort.*yes<\|end\|>\n$/s);
});

test('the tokens are those of the whole conversation, unless one reaches over a border', () => {
  const ids = (tokenizer: ByteTokenizer, lossOn: 'assistant' | 'all') =>
    tokenizeRows([chat], tokenizer, { lossOn })[0]!.inputIds;
  expect(ids(new ByteTokenizer(), 'assistant')).toEqual(ids(new ByteTokenizer(), 'all'));
  // A token of the line break before an answer and its first letter: the model writes them apart.
  const merging = new ByteTokenizer({ merges: ['\nf'] });
  expect(learnt(chat, { lossOn: 'assistant' }, merging)).toEqual(['first<|end|>', 'yes<|end|>']);
  expect(ids(merging, 'assistant')).not.toEqual(ids(merging, 'all'));
});

test('what is wrong with the template is told as that, what it refuses of a row as the row’s', () => {
  class Without extends ByteTokenizer {
    constructor(readonly reason: string) {
      super();
    }
    override applyChatTemplate(): string {
      throw new EmlocError('FAILED_PRECONDITION', this.reason, 'no', { field: 'chat_template' });
    }
  }
  const refused = (reason: string) => () => learnt(chat, {}, new Without(reason));
  for (const reason of ['NO_CHAT_TEMPLATE', 'BAD_CHAT_TEMPLATE', 'BAD_GENERATION_MARKS'])
    expect(refused(reason)).toThrow(expect.objectContaining({ reason, field: 'chat_template' }));
  const ofRow = { reason: 'TEMPLATE_REFUSED', field: 'data.jsonl:7' };
  expect(refused('CHAT_TEMPLATE_REFUSED')).toThrow(expect.objectContaining(ofRow));
});

test('a template that leaves out earlier thoughts is refused, unless it marks the turns itself', () => {
  class Forgetting extends ByteTokenizer {
    override applyChatTemplate(
      messages: readonly ChatMessage[],
      options?: { addGenerationPrompt?: boolean },
    ): string {
      const last = messages.length - 1;
      const kept = messages.map((m, i) =>
        i === last ? m : { ...m, content: m.content.replace('first', '…') },
      );
      return super.applyChatTemplate(kept, options);
    }
  }
  expect(() => learnt(chat, { lossOn: 'assistant' }, new Forgetting())).toThrow(
    expect.objectContaining({
      reason: 'TEMPLATE_NOT_PREFIX',
      field: 'data.jsonl:7',
      mend: expect.stringContaining('{% generation %}'),
    }),
  );
  class Marking extends Forgetting {
    markGenerations(messages: readonly ChatMessage[]): MarkedConversation {
      const text = this.applyChatTemplate(messages);
      const at = text.indexOf('yes');
      return { text, spans: [[at, at + 'yes<|end|>'.length]] };
    }
  }
  expect(learnt(chat, { lossOn: 'assistant' }, new Marking())).toEqual(['yes<|end|>']);
});

test('an instruction is a turn where there is a template, and the Alpaca prompt where there is none', () => {
  const row: Row = { ...place, kind: 'instruction', instruction: 'add', input: '1, 1', output: '2' };
  const chatting = Object.assign(new ByteTokenizer(), { hasChatTemplate: true });
  const text = (tokenizer: ByteTokenizer, given: Row): string =>
    tokenizer.decode([...tokenizeRows([given], tokenizer)[0]!.inputIds]);
  expect(text(chatting, row)).toBe('<|begin|>user\nadd\n1, 1<|end|>\n<|begin|>assistant\n2<|end|>\n');
  expect(text(chatting, { ...row, system: 'be exact' })).toMatch(/^<\|begin\|>system\nbe exact<\|end\|>/);
  expect(learnt(row, {}, chatting)).toEqual(['2<|end|>']);
  const plain = new ByteTokenizer();
  expect(text(plain, row)).toBe(
    'Below is an instruction that describes a task, paired with an input that provides further context. Write a ' +
      'response that appropriately completes the request.\n\n### Instruction:\nadd\n\n### Input:\n1, 1\n\n' +
      '### Response:\n2<|eos|>',
  );
  expect(text(plain, { ...row, input: '' })).toMatch(
    /describes a task\. Write.*add\n\n### Response:\n2<\|eos\|>$/s,
  );
  expect(learnt(row, {}, plain)).toEqual(['2<|eos|>']);
});

test('an empty completion is refused where it is what is learnt', () => {
  const tokenizer = new ByteTokenizer();
  const empty: Row = { ...place, kind: 'completion', prompt: 'a', completion: ' \n' };
  const silent: Row = { ...chat, messages: [chat.messages[1]!, { role: 'assistant', content: '' }] };
  for (const row of [empty, silent]) {
    for (const lossOn of ['completion', 'assistant'] as const) {
      expect(() => learnt(row, { lossOn }, tokenizer)).toThrow(
        expect.objectContaining({ reason: 'EMPTY_COMPLETION', field: 'data.jsonl:7' }),
      );
    }
    expect(learnt(row, { lossOn: 'all' }, tokenizer)).toHaveLength(1);
  }
  const calling: Row = {
    ...chat,
    messages: [chat.messages[1]!, { role: 'assistant', content: '', tool_calls: [{}] }],
  };
  expect(learnt(calling, {}, tokenizer)).toEqual(['<|end|>']);
});
