/**
 * Where the Hugging Face hub is and where its files are kept: the environment variables of Python's huggingface_hub, so
 * that one cache serves both. Read in this one place.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

export interface HubSettings {
  /** HF_ENDPOINT, without a slash at the end. */
  readonly endpoint: string;
  /** HF_TOKEN, else what HF_TOKEN_PATH or HF_HOME/token holds (`hf auth login` writes it). */
  readonly token: string | undefined;
  /** HF_HUB_CACHE, else HF_HOME/hub; the folder need not exist yet. */
  readonly cacheDir: string;
  /** HF_HUB_OFFLINE (or TRANSFORMERS_OFFLINE): no request is made. */
  readonly offline: boolean;
}

const defaultEndpoint = 'https://huggingface.co';

export function hubSettings(env: NodeJS.ProcessEnv = process.env): HubSettings {
  const home = env.HF_HOME
    ? path(env.HF_HOME)
    : join(env.XDG_CACHE_HOME ? path(env.XDG_CACHE_HOME) : join(homedir(), '.cache'), 'huggingface');
  const cache = env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE;
  return {
    endpoint: (env.HF_ENDPOINT || defaultEndpoint).replace(/\/+$/, ''),
    token:
      clean(env.HF_TOKEN) ??
      clean(env.HUGGING_FACE_HUB_TOKEN) ??
      tokenFile(env.HF_TOKEN_PATH ? path(env.HF_TOKEN_PATH) : join(home, 'token')),
    cacheDir: cache ? path(cache) : join(home, 'hub'),
    offline: isTrue(env.HF_HUB_OFFLINE || env.TRANSFORMERS_OFFLINE),
  };
}

const path = (typed: string): string => resolve(typed.replace(/^~(?=\/|$)/, homedir()));

const isTrue = (value: string | undefined): boolean => /^(1|on|yes|true)$/i.test(value ?? '');

const clean = (token: string | undefined): string | undefined => token?.trim() || undefined;

function tokenFile(file: string): string | undefined {
  try {
    return clean(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
}
