/** What the hub's answers mean, said with what to do about it. */
import { EmlocError } from '@emloc/errors';
import type { HubSettings } from './settings.ts';

/** The error of an answer that is not `ok`. `writing`: a push, not a pull. */
export async function hubError(
  response: Response,
  settings: HubSettings,
  repo: string,
  writing = false,
): Promise<EmlocError> {
  const said = await saidIn(response);
  const known = response.headers.get('X-Error-Code') ?? '';
  const page = `${settings.endpoint}/${repo}`;
  const make = (
    code: EmlocError['code'],
    reason: string,
    message: string,
    mend: string,
    field = 'repository',
  ): EmlocError =>
    new EmlocError(code, reason, message, {
      field,
      value: field === 'repository' ? repo : undefined,
      mend,
      metadata: { status: String(response.status), ...(said === '' ? {} : { said }) },
    });
  const words = said === '' ? '' : `: ${said}`;
  if (known === 'GatedRepo') {
    const mend =
      settings.token === undefined
        ? `accept its licence at ${page}, then set HF_TOKEN to a token of that account (or run hf auth login)`
        : `accept its licence at ${page} with the account whose token HF_TOKEN is`;
    return make('PERMISSION_DENIED', 'GATED_REPOSITORY', `${repo} is gated${words}`, mend);
  }
  if (known === 'RevisionNotFound')
    return make('NOT_FOUND', 'REVISION_NOT_FOUND', `${repo} has no such revision`, `see ${page}/tree/main`);
  if (known === 'EntryNotFound')
    return make('NOT_FOUND', 'FILE_NOT_FOUND', `${repo} has no such file${words}`, `see ${page}/tree/main`);
  // Without a token the hub does not tell a private repository from none.
  if (known === 'RepoNotFound' || response.status === 404) {
    const mend =
      settings.token === undefined
        ? 'check the name; if it is private, set HF_TOKEN'
        : 'check the name, and that the account of HF_TOKEN may see it';
    return make('NOT_FOUND', 'REPOSITORY_NOT_FOUND', `the hub has no repository ${repo}`, mend);
  }
  if (response.status === 401) {
    return settings.token === undefined
      ? make(
          'UNAUTHENTICATED',
          'NO_TOKEN',
          `the hub wants a token for ${repo}${words}`,
          'set HF_TOKEN to a token of your account (or run hf auth login)',
          'HF_TOKEN',
        )
      : make(
          'UNAUTHENTICATED',
          'BAD_TOKEN',
          `the hub does not take the token${words}`,
          `set HF_TOKEN to one that is valid at ${settings.endpoint}`,
          'HF_TOKEN',
        );
  }
  if (response.status === 403) {
    const mend = writing
      ? `give HF_TOKEN a token that may write to ${repo}`
      : `ask for access at ${page}, with the account whose token HF_TOKEN is`;
    return make('PERMISSION_DENIED', 'NO_ACCESS', `the hub does not allow it for ${repo}${words}`, mend);
  }
  if (response.status === 409)
    return make('ALREADY_EXISTS', 'REPOSITORY_EXISTS', `${repo} is there already`, 'choose another name');
  if (response.status === 429)
    return make(
      'UNAVAILABLE',
      'RATE_LIMITED',
      `the hub takes no more requests for now${words}`,
      settings.token === undefined
        ? 'set HF_TOKEN, or try again in some minutes'
        : 'try again in some minutes',
    );
  return make(
    'UNAVAILABLE',
    'HUB_FAILED',
    `${settings.endpoint} answered ${response.status} for ${repo}${words}`,
    'try again; if it stays so, see whether HF_ENDPOINT is right',
  );
}

/** No answer at all. */
export function unreachable(settings: HubSettings, cause: unknown): EmlocError {
  const error = cause as Error & { readonly cause?: Error };
  const why = error.cause?.message || error.message;
  return new EmlocError(
    'UNAVAILABLE',
    'HUB_UNREACHABLE',
    `the hub was not reached at ${settings.endpoint}: ${why}`,
    {
      field: 'HF_ENDPOINT',
      value: settings.endpoint,
      mend: 'check the network, a proxy (NODE_USE_ENV_PROXY=1 on Node 24), or HF_ENDPOINT',
      cause,
    },
  );
}

async function saidIn(response: Response): Promise<string> {
  const header = response.headers.get('X-Error-Message');
  const body = await response.text().catch(() => '');
  if (header) return header.trim();
  try {
    const { error, message } = JSON.parse(body) as { readonly error?: unknown; readonly message?: unknown };
    return String(error ?? message ?? '').trim();
  } catch {
    return '';
  }
}
