import { expect, test } from 'vitest';
import { tinyModelOf } from '../testing/tiny-config.ts';
import type { QwenWindows } from './qwen-config.ts';

test.each(['qwen2', 'qwen3'])(
  '%s: windows are there where they are asked for, from a layer on or by a list',
  (name) => {
    const parsed = (changes: Record<string, unknown>): QwenWindows =>
      tinyModelOf(name, changes).config as unknown as QwenWindows;
    expect(parsed({}).layerTypes).toEqual(['full_attention', 'full_attention']);
    expect(parsed({ sliding_window: 4, max_window_layers: 1 }).slidingWindow).toBeUndefined();
    const used = { use_sliding_window: true, sliding_window: 4 };
    expect(parsed({ ...used, max_window_layers: 1 }).layerTypes).toEqual([
      'full_attention',
      'sliding_attention',
    ]);
    expect(parsed(used).layerTypes).toEqual(['full_attention', 'full_attention']);
    const listed = ['sliding_attention', 'full_attention'];
    expect(parsed({ ...used, layer_types: listed }).layerTypes).toEqual(listed);
    expect(() => parsed({ layer_types: listed })).toThrow('needs a sliding_window');
    expect(() => parsed({ layer_types: ['full_attention'] })).toThrow('1 entries for 2 layers');
    expect(() => parsed({ layer_types: ['linear_attention', 'full_attention'] })).toThrow('linear_attention');
  },
);
