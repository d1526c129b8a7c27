/** Which tokens end a text. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonObject } from '../directory/read-json.ts';
import type { ModelDirectory } from '../types.ts';

/** Of generation_config.json, as transformers has it, which names more of them for many chat models; else of config.json. */
export const endOfTextIds = ({ dir, config }: Pick<ModelDirectory, 'dir' | 'config'>): readonly number[] => {
  const file = join(dir, 'generation_config.json');
  const named = existsSync(file) ? readJsonObject(file)['eos_token_id'] : undefined;
  const ids = (Array.isArray(named) ? named : [named]).filter((id) => Number.isInteger(id)) as number[];
  return ids.length > 0 ? ids : config.eosTokenIds;
};
