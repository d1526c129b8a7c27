/**
 * Every turn of the assistant in a conversation. A template that marks them (`{% generation %}`) is believed. Of others
 * the text is rendered message by message: up to each answer, and with it; where the whole conversation does not begin
 * with these texts (templates that leave out earlier thoughts), the turns cannot be told and the row is refused.
 */
import { encodeSpans, endsTurn, type TokenSpan } from './encode.ts';
import { render, templated } from './render.ts';
import { rowError, type MessagesRow } from './rows.ts';
import type { MarkedConversation, TextTokenizer } from './tokenizer.ts';

export function answeredTurns(row: MessagesRow, tokenizer: TextTokenizer): TokenSpan {
  const marked = templated(row, () => tokenizer.markGenerations?.(row.messages, { tools: row.tools }));
  const { text, spans } = marked ?? renderedTurns(row, tokenizer);
  const { inputIds, learnt } = encodeSpans(tokenizer, text, spans);
  const [completionBegin, completionEnd] = learnt.at(-1) ?? [0, inputIds.length];
  return { inputIds, completionBegin, completionEnd, learnt };
}

function renderedTurns(row: MessagesRow, tokenizer: TextTokenizer): MarkedConversation {
  const { messages } = row;
  const text = render(row, tokenizer, messages);
  const spans = messages.flatMap(({ role, content }, i): [number, number][] => {
    if (role !== 'assistant') return [];
    const prompt = render(row, tokenizer, messages.slice(0, i), true);
    const answered = render(row, tokenizer, messages.slice(0, i + 1));
    // The line break after a last turn may be one that only a last turn has.
    const turn = text.startsWith(answered) ? answered : answered.trimEnd();
    if (!turn.startsWith(prompt) || !text.startsWith(turn)) throw notPrefix(row, i);
    const completion = turn.slice(prompt.length);
    const learnt = endsTurn(completion, content) ? completion.trimEnd() : completion;
    return [[prompt.length, prompt.length + learnt.length]];
  });
  return { text, spans };
}

function notPrefix(row: MessagesRow, message: number): Error {
  const problem = `the chat template changes what stands before messages[${message + 1}] when more is added`;
  const mend =
    'give a template with {% generation %} (--chat-template), or choose --loss-on completion or all';
  return rowError(row, 'TEMPLATE_NOT_PREFIX', problem, mend);
}
