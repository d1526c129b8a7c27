/** What a training run tells while it goes. */
import type { MemoryReading } from '@emloc/engine';

export interface StepEvent {
  readonly kind: 'step';
  /** Counted from 0. */
  readonly step: number;
  readonly totalSteps: number;
  /** Mean over the labelled tokens of the batch, before this step's update. */
  readonly loss: number;
  /** Norm of the whole gradient, before clipping. */
  readonly gradNorm: number;
  readonly learningRate: number;
  readonly tokens: number;
  readonly labelledTokens: number;
  readonly seconds: number;
  readonly tokensPerSecond: number;
  readonly remainingSeconds: number;
  readonly memory: MemoryReading;
}

export interface EvaluationEvent {
  readonly kind: 'evaluation';
  /** Steps done. */
  readonly step: number;
  readonly loss: number;
  readonly perplexity: number;
  readonly isBest: boolean;
}

export interface CheckpointEvent {
  readonly kind: 'checkpoint';
  readonly step: number;
}

export type TrainingEvent = StepEvent | EvaluationEvent | CheckpointEvent;
