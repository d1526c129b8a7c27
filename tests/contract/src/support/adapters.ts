/** Adapter directories as PEFT writes them, made and read without an engine. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensorsHeader, SafetensorsWriter } from '@emloc/tensor-stream';
import { bytesOf, golden, goldenMatrix, matrixIn, multiply, type Matrix } from './golden.ts';
import { fixture } from './test-mesh.ts';

const key = (module: string, factor: 'A' | 'B'): string => `base_model.model.${module}.lora_${factor}.weight`;

/** The adapter that both golden trajectories begin with: A as drawn, B zero. */
export function writeInitialAdapter(directory: string): string {
  mkdirSync(directory, { recursive: true });
  copyFileSync(
    join(fixture, 'adapter-uncorrected/adapter_config.json'),
    join(directory, 'adapter_config.json'),
  );
  const factors = golden.lora.modules.flatMap((module): [string, Matrix][] => {
    const a = goldenMatrix(`lora_A_init.${module}`);
    const b = goldenMatrix(`lora_B.${module}`);
    return [
      [key(module, 'A'), a],
      [key(module, 'B'), { ...b, values: new Float64Array(b.values.length) }],
    ];
  });
  const infos = factors.map(([name, { rows, columns }]) => ({
    name,
    dtype: 'f32' as const,
    shape: [rows, columns],
  }));
  const writer = new SafetensorsWriter(join(directory, 'adapter_model.safetensors'), infos, { format: 'pt' });
  for (const [name, matrix] of factors) writer.write(name, bytesOf(matrix));
  writer.finish();
  return directory;
}

/** B A of a module; the scale of the fixture is 1. */
export function deltaOf(directory: string, module: string): Matrix {
  const file = readSafetensorsHeader(join(directory, 'adapter_model.safetensors'));
  return multiply(matrixIn(file, key(module, 'B')), matrixIn(file, key(module, 'A')));
}
