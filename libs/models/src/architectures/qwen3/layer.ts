/** A Qwen3 decoder layer: Llama's, with norms over each head of the queries and of the keys before they are rotated. */
import { layerOf } from '../../layers/parts.ts';
import { attentionBranch, mlpBranch, queryKeyNorms } from '../rotary-decoder.ts';
import type { Qwen3Config } from './config.ts';

export const layer = layerOf<Qwen3Config>(attentionBranch(queryKeyNorms), mlpBranch());
