/**
 * The model card of an adapter: what the hub shows, and reads in its front matter. Only what the adapter and the report of
 * its job say stands there; what was not measured is not mentioned.
 */
import { basename } from 'node:path';
import type { AdapterDirectory } from '@emloc/emloc';
import { formatBytes, formatNumber, formatSeconds } from '../output/format.ts';

/** What the card takes from report.json (docs/report.schema.json). */
export interface JobReport {
  readonly schemaVersion: 1;
  readonly software?: { readonly name: string; readonly version: string };
  readonly settings: Readonly<Record<string, unknown>>;
  readonly resolved?: {
    readonly compression?: { readonly ratio?: number };
    readonly emulatorSteps?: number;
    readonly exactSteps?: number;
  };
  readonly data?: { readonly rows: number; readonly tokens: number; readonly heldOutRows: number };
  readonly digests: Readonly<Record<string, string | undefined>>;
  readonly stages?: readonly {
    readonly name: string;
    readonly seconds?: number;
    readonly note?: string;
    readonly peakResidentBytes?: number;
  }[];
  readonly chosen?: string;
  readonly evaluation?: Readonly<Record<string, number | null | undefined>>;
}

export interface CardInput {
  readonly adapter: AdapterDirectory;
  readonly baseModel: string;
  readonly repo: string;
  readonly report?: JobReport;
  readonly dataset?: string;
  readonly license?: string;
}

export function adapterCard(input: CardInput): string {
  const sections = [
    `---\n${frontMatter(input)}\n---`,
    `# ${input.repo.split('/')[1]}`,
    introduction(input),
    ...section('Use', usage(input)),
    ...section('Data', dataOf(input)),
    ...section('Settings', settingsOf(input)),
    ...section('Measured', measuredOf(input)),
  ];
  return `${sections.join('\n\n')}\n`;
}

function frontMatter({ baseModel, license }: CardInput): string {
  return [
    `base_model: ${baseModel}`,
    'library_name: peft',
    'pipeline_tag: text-generation',
    ...(license === undefined ? [] : [`license: ${JSON.stringify(license)}`]),
    'tags:',
    ...[`base_model:adapter:${baseModel}`, 'lora', 'emloc'].map((tag) => `- ${tag}`),
  ].join('\n');
}

function introduction({ adapter, baseModel }: CardInput): string {
  const { correction, refinedSteps, emulator } = adapter.history;
  const parts = [
    `A LoRA adapter for [${baseModel}](https://huggingface.co/${baseModel}), made with EMLoC ([arXiv 2506.12015](https://arxiv.org/abs/2506.12015)).`,
    ...(emulator === undefined ? [] : ['It was trained on a compressed emulator of the model']),
  ];
  if (emulator === undefined) return parts.join(' ');
  const then = [
    correctionOf(correction),
    ...(refinedSteps === undefined ? [] : [`refined by ${refinedSteps} exact steps on it`]),
  ];
  return `${parts.join(' ')}, ${then.join(', and ')}.`;
}

/** `none` is a choice among corrections: the adapter as it was trained, perhaps stronger. */
function correctionOf(correction: AdapterDirectory['history']['correction']): string {
  const { method = 'none', limit, strength = 1 } = correction ?? {};
  if (method !== 'none')
    return `corrected for the original (${method}${limit === undefined ? '' : `, limit ${limit}`})`;
  return strength === 1
    ? 'not corrected for the original'
    : `made ${strength} times as strong for the original`;
}

const usage = ({ baseModel, repo }: CardInput): string =>
  [
    '```python',
    'from peft import PeftModel',
    'from transformers import AutoModelForCausalLM',
    '',
    `model = AutoModelForCausalLM.from_pretrained("${baseModel}")`,
    `model = PeftModel.from_pretrained(model, "${repo}")`,
    '```',
  ].join('\n');

function dataOf({ report, dataset }: CardInput): string | undefined {
  const source = (report?.settings['dataset'] as { source?: { path?: string } } | undefined)?.source;
  const name = dataset ?? (source?.path === undefined ? undefined : `\`${basename(source.path)}\``);
  const { rows, tokens, heldOutRows } = report?.data ?? {};
  if (name === undefined && rows === undefined) return undefined;
  const counted =
    rows === undefined ? '' : `: ${rows} rows of ${tokens} tokens trained on, ${heldOutRows} rows held out`;
  return `${name ?? 'Not named'}${counted}.`;
}

function settingsOf({ adapter, report }: CardInput): string {
  const { r, loraAlpha, loraDropout, targetModules } = adapter.settings;
  const modules = typeof targetModules === 'string' ? targetModules : targetModules.join(', ');
  const { compression, emulatorSteps, exactSteps } = report?.resolved ?? {};
  return table(
    ['setting', 'value'],
    [
      ['r', r],
      ['lora_alpha', loraAlpha],
      ['lora_dropout', loraDropout],
      ['target_modules', modules],
      ['ratio of the emulator', compression?.ratio],
      ['steps on the emulator', emulatorSteps],
      ['exact steps on the original', exactSteps],
      ...Object.entries((report?.settings['training'] ?? {}) as Record<string, unknown>)
        .map(([name, value]): Row => setting(name.replace(/[A-Z]/g, '_$&').toLowerCase(), value))
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    ],
  );
}

/** As it is typed on the command line: a number in full, of an enumeration the word. */
function setting(name: string, value: unknown): Row {
  if (typeof value === 'number') return [name, String(value)];
  const prefix = `${name.toUpperCase()}_`;
  if (typeof value !== 'string' || !value.startsWith(prefix)) return [name, value];
  return [name, value.slice(prefix.length).toLowerCase()];
}

function measuredOf({ report }: CardInput): string | undefined {
  if (report?.evaluation === undefined) return undefined;
  const { loss, perplexity, tokenAccuracy, exactMatch, choiceAccuracy, rows } = report.evaluation;
  const figures = table(
    [`on ${rows} held-out rows, with the original model`, ''],
    [
      ['loss', loss],
      ['perplexity', perplexity],
      ['token accuracy', tokenAccuracy],
      ['exact match', exactMatch],
      ['accuracy among choices', choiceAccuracy],
    ],
  );
  const stages = (report.stages ?? []).filter(({ peakResidentBytes }) => peakResidentBytes !== undefined);
  if (stages.length === 0) return figures;
  const memory = stages.map(({ name, seconds, note, peakResidentBytes }): string[] => [
    name,
    seconds === undefined ? (note ?? '') : formatSeconds(seconds),
    formatBytes(peakResidentBytes ?? 0),
  ]);
  return `${figures}\n\n${rowsOf([['stage', 'time', 'peak memory'], ...memory])}`;
}

type Row = readonly [string, unknown];

/** What is not known is left out. */
function table(head: readonly string[], rows: readonly Row[]): string {
  const known = rows.filter(([, value]) => ['number', 'string', 'boolean'].includes(typeof value));
  return rowsOf([
    [...head],
    ...known.map(([name, value]) => [name, typeof value === 'number' ? formatNumber(value) : String(value)]),
  ]);
}

function rowsOf([head = [], ...rows]: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const section = (title: string, text: string | undefined): string[] =>
  text === undefined ? [] : [`## ${title}\n\n${text}`];
