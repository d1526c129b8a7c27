/** The smallest tokenizer that has what matters here: bytes, special tokens in the text, a chat template, merges. */
import type { ChatMessage, TextTokenizer } from './tokenizer.ts';

const special = ['<|begin|>', '<|end|>', '<|eos|>'];

export class ByteTokenizer implements TextTokenizer {
  readonly eosTokenId = 258;
  /** Pairs of characters that become one token, across any border. */
  readonly merges: readonly string[];
  readonly closing: string;

  constructor(options: { merges?: readonly string[]; closing?: string } = {}) {
    this.merges = options.merges ?? [];
    this.closing = options.closing ?? '<|end|>\n';
  }

  encode(text: string): number[] {
    const ids: number[] = [];
    for (let at = 0; at < text.length;) {
      const known = [...special, ...this.merges].findIndex((piece) => text.startsWith(piece, at));
      if (known >= 0) {
        ids.push(256 + known);
        at += [...special, ...this.merges][known]!.length;
      } else ids.push(text.charCodeAt(at++));
    }
    return ids;
  }

  decode(ids: readonly number[]): string {
    return ids
      .map((id) => (id < 256 ? String.fromCharCode(id) : [...special, ...this.merges][id - 256]!))
      .join('');
  }

  applyChatTemplate(
    messages: readonly ChatMessage[],
    options: { addGenerationPrompt?: boolean } = {},
  ): string {
    if (messages.some((m) => m.role === 'alien')) throw new Error('unknown role alien');
    const turns = messages.map((m) => `<|begin|>${m.role}\n${m.content}${this.closing}`).join('');
    return options.addGenerationPrompt ? `${turns}<|begin|>assistant\n` : turns;
  }
}
