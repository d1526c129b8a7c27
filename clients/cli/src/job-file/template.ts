/** What `emloc init` writes: every field of a job file, explained; those that are not needed stand in comments. */
import type { JobFileField } from './fields.ts';

export interface TemplateOptions {
  /** Where an editor finds the JSON Schema, as seen from the file. */
  readonly schema: string;
  /** How the file is named in the command that runs it. */
  readonly file: string;
  /** Values for fields by name, as they were typed. */
  readonly values: Readonly<Record<string, string | undefined>>;
}

/** What somebody who has nothing yet would write. */
const placeholders: Readonly<Record<string, string>> = {
  model: './model',
  data: 'train.jsonl',
  output: 'tuned',
};

/** Examples of fields that have neither a default nor a number's example. */
const examples: Readonly<Record<string, string>> = {
  adapter_init: './earlier/adapter',
  log: 'log.jsonl',
  id: 'my-job',
  data_format: 'jsonl',
  prompt_column: 'question',
  completion_column: 'answer',
  messages_column: 'conversation',
  text_column: 'content',
  tools_column: 'tools',
  chat_template: 'template.jinja',
  ratios: 'ratios.json',
  eval_data: 'held-out.jsonl',
  precision: 'bf16',
  server: 'gpu-box:7600',
};

const width = 100;

export function jobFileTemplate(fields: readonly JobFileField[], options: TemplateOptions): string {
  const lines = [
    `# yaml-language-server: $schema=${options.schema}`,
    `# A fine-tuning job. Run it: emloc finetune --config ${options.file}`,
    '# Fields are the options of emloc finetune; what is typed there wins over what stands here.',
    '# Paths are meant from where this file lies.',
  ];
  let heading = '';
  for (const field of fields) {
    if (field.heading !== heading) {
      heading = field.heading;
      lines.push('', `# ---- ${heading} ----`);
    }
    lines.push('', ...wrapped(explained(field)), lineOf(field, options.values[field.key]));
  }
  return `${lines.join('\n')}\n`;
}

const explained = ({ row, negated, aliases }: JobFileField): string =>
  `${negated ? `if false: ${row.says}` : row.says}${aliases.length === 0 ? '' : `; also ${aliases.join(', ')}`}`;

/** `ratio: 0.5` where it is given or needed, `# ratio: 0.5` where it may be left out. */
function lineOf({ key, row, default: fallback }: JobFileField, given: string | undefined): string {
  if (given !== undefined) return `${key}: ${scalar(given)}`;
  if (row.required) return `${key}: ${placeholders[key] ?? ''}`;
  const accepts = row.parse?.accepts;
  const example = accepts?.kind === 'number' ? accepts.example.split(' ')[0] : examples[key];
  return `# ${key}: ${String(fallback ?? example)}`;
}

/** Plain where YAML reads it back as the same text. */
const scalar = (text: string): string =>
  /^[\w./@~-][\w./@~+-]*$/.test(text) && !/^[\d.~+-]|^(true|false|null|yes|no|on|off)$/i.test(text)
    ? text
    : JSON.stringify(text);

function wrapped(text: string): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1] ?? '';
    if (`# ${last} ${word}`.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map((line) => `# ${line}`);
}
