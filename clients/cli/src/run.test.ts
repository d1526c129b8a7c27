import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { trainingDefaults } from '@emloc/emloc';
import { commandEntries } from './program.ts';
import { run } from './run.ts';

async function emloc(...args: string[]) {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const code = await run(args, { streams: { stdout, stderr }, environment: {} });
  const text = (stream: PassThrough): string => (stream.read() as Buffer | null)?.toString() ?? '';
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

const commands = [
  ...commandEntries.map(({ name }) => [name]),
  ['models', 'pull'],
  ['models', 'import'],
  ['adapters', 'push'],
  ...['list', 'get', 'watch', 'cancel', 'resume', 'delete'].map((name) => ['jobs', name]),
];

test.each(commands.map((words) => [words.join(' '), words]))(
  '%s --help explains itself on stdout',
  async (_, words) => {
    const { code, stdout, stderr } = await emloc(...words, '--help');
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).toContain(`Usage: emloc ${words.join(' ')}`);
    expect(stdout).toMatch(/Examples?:\n {2}\$ /);
  },
);

test.each(commands.map((words) => [words.join(' '), words]))(
  '%s --help shows the default of every option',
  async (_, words) => {
    const { stdout } = await emloc(...words, '--help');
    const options = stdout
      .replace(/\n {10,}/g, ' ')
      .split('\n')
      .filter((line) => /^ {2}--/.test(line));
    const silent = options.filter((line) => {
      const flag = line.trim().split(' ')[0] ?? '';
      return !/default: |\(required\)/.test(line) && !flag.startsWith('--no-');
    });
    // What is left out where not given, as its words say.
    const explained = [
      '--ratio',
      '--ratios',
      '--choices',
      '--eval-data',
      '--log',
      '--emulator',
      '--model',
      '--adapter',
      '--statistics',
    ];
    expect(silent.filter((line) => !explained.includes(line.trim().split(' ')[0] ?? ''))).toEqual([]);
  },
);

test('train and finetune take the same training options, with the defaults of the method', async () => {
  const options = async (command: string): Promise<string[]> =>
    (await emloc(command, '--help')).stdout
      .split('\n')
      .filter((line) => /^ {2}--(lora|adam|warmup|weight|lr|batch|grad|max-grad|seed|save)/.test(line));
  const squeezed = (lines: string[]): string[] => lines.map((line) => line.replace(/ +/g, ' '));
  const train = squeezed(await options('train'));
  expect(squeezed(await options('finetune'))).toEqual(train);
  for (const [option, value] of [
    ['--lora-r', trainingDefaults.loraR],
    ['--lora-alpha', trainingDefaults.loraAlpha],
    ['--lora-dropout', trainingDefaults.loraDropout],
    ['--adam-beta1', trainingDefaults.adamBeta1],
    ['--adam-beta2', trainingDefaults.adamBeta2],
    ['--weight-decay', trainingDefaults.weightDecay],
    ['--max-grad-norm', trainingDefaults.maxGradNorm],
    ['--per-device-train-batch-size', trainingDefaults.perDeviceTrainBatchSize],
    ['--gradient-accumulation-steps', trainingDefaults.gradientAccumulationSteps],
    ['--seed', trainingDefaults.seed],
    ['--save-steps', trainingDefaults.saveSteps],
  ] as const) {
    expect(train.find((line) => line.includes(`${option} `))).toContain(`(default: ${value})`);
  }
});

test('a mistyped option is refused with the nearest, on stderr, with exit code 2', async () => {
  const { code, stdout, stderr } = await emloc('finetune', '--learning-rat', '1e-3');
  expect(code).toBe(2);
  expect(stdout).toBe('');
  expect(stderr).toBe("error: unknown option '--learning-rat' (Did you mean --learning-rate?)\n");
});

test('a mistyped command is refused with the nearest', async () => {
  const { code, stderr } = await emloc('finetun');
  expect(code).toBe(2);
  expect(stderr).toContain('Did you mean finetune?');
});

test.each([[[]], [['jobs']], [['models']]])(
  'no command at all (%j) shows the help and is wrong usage',
  async (words) => {
    const { code, stdout, stderr } = await emloc(...words);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(['Usage: emloc', ...words].join(' '));
    expect(stderr).toMatch(/error: no command is given \(choose one of the above\)\n$/);
  },
);

test('a missing option is named', async () => {
  const { code, stderr } = await emloc('merge', '--model', 'm');
  expect(code).toBe(2);
  expect(stderr).toBe('error: --adapter is not given (give --adapter <dir>, or see --help)\n');
});

test.each([
  ['--ratio', '1.5', '1.5 is not in (0, 1]'],
  ['--ratio', 'half', "'half' is not a number"],
  ['--max-steps', '0', '0 is not in [1, ∞)'],
  ['--lora-dropout', '1', '1 is not in [0, 1)'],
  ['--precision', 'f8', "'f8' is not one of f32, bf16"],
  ['--lr-scheduler-type', 'step', "'step' is not one of cosine, linear, constant"],
])('%s %s is refused before any work', async (option, value, message) => {
  const { code, stderr } = await emloc(
    'finetune',
    '--model',
    'm',
    '--data',
    'd',
    '--output',
    'o',
    option,
    value,
  );
  expect(code).toBe(2);
  expect(stderr).toContain(`error: ${option}: ${message}`);
  expect(stderr).toMatch(/\(choose .*\)\n$/);
});

test('with --json an error is one object on stderr', async () => {
  const { code, stderr } = await emloc(
    'finetune',
    '--json',
    '--ratio',
    '2',
    '--model',
    'm',
    '--data',
    'd',
    '--output',
    'o',
  );
  expect(code).toBe(2);
  expect(JSON.parse(stderr)).toEqual({
    error: {
      code: 'INVALID_ARGUMENT',
      reason: 'OUT_OF_RANGE',
      message: '2 is not in (0, 1]',
      field: '--ratio',
      value: '2',
      mend: 'choose a number such as 0.5',
    },
  });
});

test('the version is that of the package', async () => {
  expect((await emloc('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
