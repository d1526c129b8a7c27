/**
 * Models: architectures written out forward and backward, weights by name from wherever they lie, passes over
 * micro-batches, tokenizers.
 */
export * from './types.ts';
export { architectureOf, architectures, supportedModelTypes } from './architectures/index.ts';
export { moduleOf } from './directory/module-of.ts';
export { openModel } from './directory/open-model.ts';
export { modelName } from './directory/model-name.ts';
export { assertWritable, writeDirectory, type WriteOptions } from './directory/output-directory.ts';
export {
  emulatorFile,
  emulatorInfoSchema,
  readEmulatorInfo,
  writeEmulatorInfo,
} from './directory/emulator-info.ts';
export { openWeights, type OpenWeightsOptions } from './weights/open-weights.ts';
export { SCORES_BYTES } from './layers/attend.ts';
export { linearBackward, linearForward, plainLinears } from './layers/linear.ts';
export { LONGEST_WHOLE_MASK, makeBatchContext, type SequenceLayout } from './batch-context.ts';
export { prepareBatch, sharedPrefix, type BatchOptions } from './batch.ts';
export { groupsUpTo } from './groups.ts';
export { IGNORED_LABEL } from './check-row.ts';
export {
  backwardPass,
  forwardPass,
  mapSideBySide,
  paysSideBySide,
  SIDE_BY_SIDE_ROWS,
  type ForwardOptions,
  type ForwardResult,
  type LayerInput,
  type PassOptions,
} from './model-pass.ts';
export { lossPass, type LossResult, type MicroLoss } from './loss-pass.ts';
export {
  DEFAULT_SLICE_BYTES,
  gatherRows,
  headLoss,
  logitsOf,
  type HeadLoss,
  type HeadLossOptions,
} from './head.ts';
export { scoreContinuations, type Choices } from './score.ts';
export { cacheBytesOf } from './generation/cache-size.ts';
export {
  PREFILL_TOKENS,
  type PassLinears,
  type RowVariants,
  type VariantLinears,
} from './generation/cached-pass.ts';
export { endOfTextIds } from './generation/end-of-text.ts';
export {
  DEFAULT_CACHE_BYTES,
  generate,
  type FinishReason,
  type Generated,
  type GeneratedToken,
  type GenerateOptions,
  type GenerationPrompt,
} from './generation/generate.ts';
export { KEPT_PREFIX_BYTES, KeptPrefixes } from './generation/kept-prefixes.ts';
export { greedyContinue, type GreedyOptions } from './generation/greedy-continue.ts';
export { plainVariants } from './generation/plain-variants.ts';
export type { SamplingOptions } from './generation/sampler.ts';
export { StopStrings } from './generation/stop-strings.ts';
export { TextStream } from './generation/text-stream.ts';
export { loadTokenizer, type Tokenizer } from './tokenizer/load-tokenizer.ts';
export type { ChatMessage, ChatTemplateOptions } from './tokenizer/chat-template.ts';
export {
  importGguf,
  type ImportedModel,
  type ImportGgufOptions,
  type ImportProgress,
} from './import-gguf/index.ts';
export {
  copyModel,
  pullableModels,
  pullModel,
  type PullModelOptions,
  type PullProgress,
} from './pull-model.ts';
export { pullFromHub, type PullFromHubOptions } from './hub/pull-from-hub.ts';
export type { HubKind } from './hub/needed-files.ts';
export { isModelFile } from './directory/model-files.ts';
