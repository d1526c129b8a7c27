/** Options that several commands share: where the mesh is, how results are printed, what is read and written. */
import type { OptionRow } from './option.ts';
import { numberIn, oneOf, wholeNumber } from './values.ts';

export const jsonOption: OptionRow = {
  flags: '--json',
  says: 'print one JSON object instead of a table, errors as an object too',
  default: false,
};

export const overwriteOption: OptionRow = {
  flags: '--overwrite',
  says: 'replace what --output holds already',
  default: false,
};

export const serverOption: OptionRow = {
  flags: '--server <address>',
  says:
    'coordinator of a mesh elsewhere, such as gpu-box:7600: data is uploaded, results are downloaded, models are paths ' +
    "inside that mesh's model roots (default: the mesh of this machine, started when none is up)",
};

/** `--json` and `--server`: every command that works through the mesh. */
export const meshOptions: readonly OptionRow[] = [serverOption, jsonOption];

export const modelOption: OptionRow = {
  flags: '--model <dir>',
  says: 'Hugging Face model directory, or ORG/NAME[@revision] of the hub',
  required: true,
};

export const outputOption = (says: string): OptionRow => ({ flags: '--output <path>', says, required: true });

export const ratioOptions: readonly OptionRow[] = [
  {
    flags: '--ratio <ratio>',
    says: 'share of the parameters that each linear keeps, in (0, 1]',
    parse: numberIn('--ratio', { min: 0, aboveMin: true, max: 1 }, '0.5'),
  },
  {
    flags: '--ratios <file>',
    says: 'JSON object {"regular expression": ratio, …}, the first that matches a whole module name wins',
  },
];

export const samplesOption: OptionRow = {
  flags: '--samples <count>',
  says: 'rows of the data to calibrate on, drawn with the seed',
  parse: wholeNumber('--samples', 1, '64'),
  default: 64,
};

export const seedOption: OptionRow = {
  flags: '--seed <number>',
  says: 'seed of every draw',
  parse: numberIn('--seed', { min: 0, max: 2 ** 32 - 1, whole: true }, '42'),
  default: 42,
};

export const maxSeqLengthOption: OptionRow = {
  flags: '--max-length, --max-seq-length <tokens>',
  says: "cut rows to so many tokens, pack plain text into so many (default: no cut; rows over the model's limit are an error)",
  parse: wholeNumber('--max-seq-length', 2, '512'),
};

export const precisions = ['f32', 'bf16'] as const;

export const precisionOption: OptionRow = {
  flags: '--precision <type>',
  says: "f32 or bf16: what matrices multiply in (default: the checkpoint's own, f16 as f32)",
  parse: oneOf('--precision', precisions),
};
