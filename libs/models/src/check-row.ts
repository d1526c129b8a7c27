/** Is a row something that the model takes? Refusals name the row, the value and what to do. */
import { EmlocError } from '@emloc/errors';
import type { ModelConfig, TokenRow } from './types.ts';

/** Labels of tokens that carry no loss. */
export const IGNORED_LABEL = -100;

export const checkRow = (config: ModelConfig, { inputIds, labels }: TokenRow, index: number): void => {
  const fail = (reason: string, message: string, value: number, mend: string): never => {
    throw new EmlocError('INVALID_ARGUMENT', reason, message, {
      field: `row ${index}`,
      value: String(value),
      mend,
    });
  };
  if (inputIds.length === 0) fail('EMPTY_ROW', 'a row has no tokens', 0, 'remove it');
  if (inputIds.length > config.maxPositionEmbeddings)
    fail(
      'SEQUENCE_TOO_LONG',
      `a row has ${inputIds.length} tokens, but the model takes ${config.maxPositionEmbeddings}`,
      inputIds.length,
      'shorten it, or set a maximum length',
    );
  if (labels !== undefined && labels.length !== inputIds.length)
    fail(
      'LABELS_LENGTH',
      `a row has ${inputIds.length} tokens but ${labels.length} labels`,
      labels.length,
      'give one label a token, -100 where there is no loss',
    );
  const known = (id: number): boolean => Number.isInteger(id) && id >= 0 && id < config.vocabSize;
  const beyond = (what: string, id: number): never =>
    fail(
      'TOKEN_OUT_OF_RANGE',
      `${what} ${id} is not in the model's vocabulary of ${config.vocabSize}`,
      id,
      'tokenize with the tokenizer of this model',
    );
  for (const id of inputIds) if (!known(id)) beyond('token id', id);
  for (const label of labels ?? []) if (label !== IGNORED_LABEL && !known(label)) beyond('label', label);
};
