/** How data files are read: every command that takes rows shares these, for `--data` and `--eval-data` alike. */
import { readFile } from 'node:fs/promises';
import { dataFormats, lossTargets, type ColumnNames, type DataFormat, type LossOn } from '@emloc/datasets';
import { underOption } from '../checks/under-option.ts';
import type { DatasetSpec, Source } from '../wire/artifact.ts';
import type { OptionRow } from './option.ts';
import { oneOf } from './values.ts';

/** What the rows of a file may be, for the option that names the file. */
export const rowShapes =
  'JSON lines, JSON, CSV, TSV, Parquet (also gzipped) of messages, conversations, prompt and completion, ' +
  'instruction and output, text, or input_ids and labels; or plain text (see emloc data inspect)';

export interface TypedData {
  readonly dataFormat?: DataFormat;
  readonly messagesColumn?: string;
  readonly promptColumn?: string;
  readonly completionColumn?: string;
  readonly textColumn?: string;
  readonly toolsColumn?: string;
  readonly lossOn: LossOn;
  readonly chatTemplate?: string;
  readonly maxSeqLength?: number;
}

const column = (name: string, says: string, flags = `--${name}-column <name>`): OptionRow => ({
  flags,
  says,
});

export const dataOptions: readonly OptionRow[] = [
  {
    flags: '--data-format <format>',
    says: `${dataFormats.join(', ')} (default: told by name and content)`,
    parse: oneOf('--data-format', dataFormats),
  },
  column('prompt', 'column to take for the prompt (default: prompt)'),
  column('completion', 'column to take for the completion (default: completion)'),
  column('messages', 'column to take for the messages (default: messages, conversations)'),
  column(
    'text',
    'column to take for a text that is learnt whole (default: text)',
    '--dataset-text-field, --text-column <name>',
  ),
  column('tools', 'column of the tools that a conversation may call (default: tools)'),
  {
    flags: '--loss-on <what>',
    says: "what is learnt: completion (the assistant's last turn), assistant (all its turns) or all",
    parse: oneOf('--loss-on', lossTargets),
    default: 'completion',
  },
  {
    flags: '--chat-template <file>',
    says: "Jinja template for conversations (default: the model's own)",
  },
];

export function columnsOf(typed: TypedData): ColumnNames {
  return {
    messages: typed.messagesColumn,
    prompt: typed.promptColumn,
    completion: typed.completionColumn,
    text: typed.textColumn,
    tools: typed.toolsColumn,
  };
}

/** The text of `--chat-template`. */
export async function readChatTemplate({ chatTemplate }: TypedData): Promise<string | undefined> {
  if (chatTemplate === undefined) return undefined;
  return underOption({ option: '--chat-template', value: chatTemplate }, () =>
    readFile(chatTemplate, 'utf8'),
  );
}

/** The format goes along: a file that is sent has no name any more. */
export const toDatasetSpec = (
  typed: TypedData,
  format: DataFormat,
  chatTemplate: string | undefined,
  source: Source,
): DatasetSpec => ({
  source,
  maxSeqLength: typed.maxSeqLength,
  format: `DATA_FORMAT_${format.toUpperCase()}`,
  columns: { ...columnsOf(typed) },
  lossOn: `LOSS_ON_${typed.lossOn.toUpperCase()}`,
  chatTemplate,
});
