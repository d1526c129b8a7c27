/**
 * `fetch` for one repository of the hub, given to the hub's client in place of the global one: the token goes to the hub
 * and to nobody else, what is safe to repeat is repeated when the hub or the network stumbles, and an answer that is no
 * success is thrown as one of our errors.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { EmlocError } from '@emloc/errors';
import { hubError, unreachable } from './hub-error.ts';
import type { HubSettings } from './settings.ts';

export interface HubFetchOptions {
  readonly signal?: AbortSignal;
  /** A push: what 403 means is another thing. */
  readonly writing?: boolean;
  /** First pause before a repetition, doubled each time. */
  readonly pauseMs?: number;
}

const attempts = 4;
const stumbles = new Set([500, 502, 503, 504]);

export function hubFetch(settings: HubSettings, repo: string, options: HubFetchOptions = {}): typeof fetch {
  const origin = new URL(settings.endpoint).origin;
  const { signal, writing, pauseMs = 500 } = options;
  return async (input, init = {}) => {
    const url = input instanceof Request ? input.url : String(input);
    const headers = new Headers(init.headers);
    // fetch itself takes the header away where the hub redirects to another host.
    if (new URL(url).origin === origin && settings.token !== undefined)
      headers.set('Authorization', `Bearer ${settings.token}`);
    const repeatable = ['GET', 'HEAD'].includes(init.method ?? 'GET');
    for (let attempt = 1; ; attempt++) {
      const last = !repeatable || attempt === attempts;
      try {
        const response = await fetch(input, { ...init, headers, signal: init.signal ?? signal });
        if (response.ok || response.status === 416) return response;
        if (last || !stumbles.has(response.status)) throw await hubError(response, settings, repo, writing);
        await response.body?.cancel();
      } catch (error) {
        if (signal?.aborted) throw cancelled(repo);
        if (error instanceof EmlocError) throw error;
        if (last) throw unreachable(settings, error);
      }
      await sleep(pauseMs * 2 ** (attempt - 1), undefined, { signal }).catch(() => {
        throw cancelled(repo);
      });
    }
  };
}

export const cancelled = (repo: string): EmlocError =>
  new EmlocError('CANCELLED', 'CANCELLED', `fetching ${repo} was cancelled`);
