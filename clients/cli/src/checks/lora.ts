/** What the adapter is to be, from the options that were typed and the adapter to start from. */
import { assertAdapterAgrees, decoderLinears } from '@emloc/emloc';
import type { ModelDirectory } from '@emloc/models';
import type { Output } from '../output/output.ts';
import { toLoraConfig, type TypedTraining } from '../options/training-request.ts';
import type { LoraConfig } from '../wire/stages.ts';
import { checkAdapter, checkTargets } from './inputs.ts';
import { underOption } from './under-option.ts';

/** With an adapter to start from, r, alpha and modules are its own unless typed; typed, they have to agree. */
export async function checkLora(
  output: Output,
  options: TypedTraining & { readonly adapterInit?: string },
  model: ModelDirectory | undefined,
  isTyped: (option: string) => boolean,
): Promise<LoraConfig> {
  const { adapterInit } = options;
  if (adapterInit === undefined)
    return toLoraConfig(options, await checkTargets(options.targetModules, model));
  const adapter = await checkAdapter('--adapter-init', adapterInit, model, output);
  const { r, loraAlpha: alpha, targetModules: modules } = adapter.settings;
  const loraR = isTyped('loraR') ? options.loraR : r;
  const loraAlpha = isTyped('loraAlpha') ? options.loraAlpha : alpha;
  const targetModules = isTyped('targetModules') ? await checkTargets(options.targetModules, model) : modules;
  if (model !== undefined) {
    await underOption({ option: '--adapter-init', value: adapterInit }, () =>
      assertAdapterAgrees(adapter, decoderLinears(model), { loraR, loraAlpha, targetModules }),
    );
  }
  return toLoraConfig({ ...options, loraR, loraAlpha }, targetModules);
}
