/** The demo's figures: who answers how well, and what each stage cost. */
import { formatBytes, formatNumber, formatSeconds } from '../output/format.ts';
import { table } from '../output/table.ts';
import type { DemoSettings } from './settings.ts';

export interface ModelFigures {
  readonly name: string;
  /** Steps on the emulator and on the original that its adapter has had. */
  readonly emulator_steps: number;
  readonly exact_steps: number;
  readonly accuracy: number;
  readonly loss: number;
}

export interface StageFigures {
  readonly name: string;
  readonly seconds?: number;
  readonly peak_bytes?: number;
  readonly peak_anonymous_bytes?: number;
  readonly predicted_peak_bytes?: number;
}

export interface DemoFigures {
  readonly settings: DemoSettings & { readonly held_out_rows?: number };
  readonly machine: { readonly cpu: string; readonly cores: number; readonly tensorflow?: string };
  readonly chosen: string;
  readonly models: readonly ModelFigures[];
  readonly inference: StageFigures;
  readonly stages: readonly StageFigures[];
  readonly total_seconds: number;
}

export function demoTable(figures: DemoFigures): string {
  const { settings, models, chosen, machine, total_seconds } = figures;
  return [
    `SmolLM2-135M-Instruct on debian-sections: ${settings.maxSteps} steps of batch 8, ratio 0.5, seed ${settings.seed}`,
    table(
      [
        { title: 'model' },
        { title: 'emulator steps', align: 'right' },
        { title: 'exact steps', align: 'right' },
        { title: 'accuracy', align: 'right' },
        { title: 'loss', align: 'right' },
      ],
      models.map((model) => [
        model.name,
        model.emulator_steps,
        model.exact_steps,
        model.accuracy.toFixed(3),
        formatNumber(model.loss),
      ]),
    ),
    `chosen by the held-out rows: ${chosen} (chance: ${(1 / 16).toFixed(4)})`,
    memoryTable(figures),
    `${machine.cpu}, ${machine.cores} cores; ${formatSeconds(total_seconds)} in all`,
  ].join('\n\n');
}

function memoryTable({ inference, stages }: DemoFigures): string {
  const base = inference.peak_bytes;
  const share = (bytes: number | undefined): string | undefined =>
    bytes === undefined || base === undefined ? undefined : `${Math.round((100 * bytes) / base)} %`;
  const bytes = (value: number | undefined): string | undefined =>
    value === undefined ? undefined : formatBytes(value);
  return table(
    [
      { title: 'stage' },
      { title: 'time', align: 'right' },
      { title: 'peak memory', align: 'right' },
      { title: 'of inference', align: 'right' },
      { title: 'private', align: 'right' },
      { title: 'predicted', align: 'right' },
    ],
    [inference, ...stages].map((stage) => [
      stage.name,
      stage.seconds === undefined ? undefined : formatSeconds(stage.seconds),
      bytes(stage.peak_bytes),
      share(stage.peak_bytes),
      bytes(stage.peak_anonymous_bytes),
      bytes(stage.predicted_peak_bytes),
    ]),
  );
}
