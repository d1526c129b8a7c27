/** Conversations through the chat template, its refusals laid at the row. */
import { EmlocError } from '@emloc/errors';
import { rowError, type MessagesRow, type RowPlace } from './rows.ts';
import type { TextTokenizer } from './tokenizer.ts';

/** Some of a row's messages as text. */
export function render(
  row: MessagesRow,
  tokenizer: TextTokenizer,
  messages: MessagesRow['messages'],
  addGenerationPrompt = false,
): string {
  return templated(row, () =>
    tokenizer.applyChatTemplate(messages, { addGenerationPrompt, tools: row.tools }),
  );
}

/** What a template does, its refusal laid at the row. */
export function templated<T>(place: RowPlace, rendering: () => T): T {
  try {
    return rendering();
  } catch (error) {
    // No template at all, or a broken one, is no row's fault.
    if (error instanceof EmlocError && error.reason !== 'CHAT_TEMPLATE_REFUSED') throw error;
    const problem =
      error instanceof EmlocError ? error.message : `the chat template fails: ${(error as Error).message}`;
    const mend =
      (error as Partial<EmlocError>).mend ?? 'check the roles and their order against the model’s template';
    throw rowError(place, 'TEMPLATE_REFUSED', problem, mend);
  }
}
