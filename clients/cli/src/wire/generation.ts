/** emloc.inference.v1's Generate, as proto-loader has it. */
import type { CallOptions } from '@emloc/mesh';
import type { Source } from './artifact.ts';
import type { Precision, WeightLoading, Weights } from './stages.ts';

export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export type PromptContent =
  { readonly text: string } | { readonly conversation: { readonly messages: readonly ChatMessage[] } };

export type Prompt = PromptContent & { readonly adapter?: string };

export interface GenerationOptions {
  readonly maxNewTokens?: number;
  readonly doSample?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly minP?: number;
  readonly repetitionPenalty?: number;
  readonly stop?: readonly string[];
  readonly seed?: number;
  readonly ignoreEos?: boolean;
  readonly logProbabilities?: boolean;
}

export type GenerateRequest = Weights & {
  readonly adapters: readonly { readonly name: string; readonly source: Source }[];
  readonly prompts: readonly Prompt[];
  readonly options: GenerationOptions;
  readonly precision?: Precision;
  readonly weightLoading?: WeightLoading;
};

export type FinishReason =
  | 'FINISH_REASON_UNSPECIFIED'
  | 'FINISH_REASON_END_OF_TEXT'
  | 'FINISH_REASON_STOP'
  | 'FINISH_REASON_MAX_NEW_TOKENS'
  | 'FINISH_REASON_CONTEXT_LENGTH';

export interface GenerateResponse {
  readonly prompt: number;
  readonly text: string;
  readonly ids: readonly number[];
  readonly logProbabilities: readonly number[];
  readonly finishReason: FinishReason;
  readonly usage: { readonly promptTokens: number; readonly newTokens: number } | null;
}

export type GenerateRpc = (
  request: GenerateRequest,
  options?: CallOptions,
) => AsyncIterable<GenerateResponse>;
