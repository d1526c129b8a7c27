/** `emloc.json` of an emulator directory: read, checked, written. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { parseFields } from '../architectures/config-fields.ts';
import type { EmulatorInfo } from '../types.ts';
import { readJsonObject } from './read-json.ts';

export const emulatorFile = 'emloc.json';

const ratio = z.number().positive().max(1);

export const emulatorInfoSchema = z.object({
  formatVersion: z.literal(1),
  original: z.object({ name: z.string(), digest: z.string().regex(/^sha256:[0-9a-f]{64}$/) }),
  method: z.enum(['activation-svd', 'svd']),
  ratios: z.record(z.string(), ratio),
  modules: z.record(
    z.string(),
    z.object({ rank: z.int().positive(), ratio, relativeTruncationLoss: z.number().nonnegative() }),
  ),
  keptFull: z.record(z.string(), z.int().nonnegative()).optional(),
  calibration: z.object({ samples: z.int().nonnegative(), tokens: z.int().nonnegative() }).optional(),
});

export const readEmulatorInfo = (dir: string): EmulatorInfo =>
  parseFields<EmulatorInfo>(emulatorInfoSchema, readJsonObject(join(dir, emulatorFile)), emulatorFile);

export const writeEmulatorInfo = (dir: string, info: EmulatorInfo): void =>
  writeFileSync(join(dir, emulatorFile), `${JSON.stringify(emulatorInfoSchema.parse(info), null, 2)}\n`);
