/** Time of a trace that no work accounts for. */

/** Of Zipkin's API v2; times in microseconds. */
export interface ZipkinSpan {
  readonly traceId: string;
  readonly id: string;
  readonly parentId?: string;
  /** In small letters. */
  readonly name: string;
  readonly kind?: string;
  readonly timestamp: number;
  readonly duration?: number;
  readonly localEndpoint?: { readonly serviceName?: string };
  readonly tags?: Readonly<Record<string, string>>;
}

export interface Gap {
  readonly seconds: number;
  readonly after: string;
  readonly before: string;
}

/** Spans that hold others, or wait for them: they say that something is under way, not what. */
const holds = /^(emloc |job$|stage |operation |.*\/(watch|calibrate))/;

export const endOf = ({ timestamp, duration = 0 }: ZipkinSpan): number => timestamp + duration;

/** The times within `whole` in which no span of the trace was at work, longest first. */
export function gapsIn(trace: readonly ZipkinSpan[], whole: ZipkinSpan): Gap[] {
  const working = trace
    .filter((span) => !holds.test(span.name) && endOf(span) >= whole.timestamp)
    .sort((a, b) => a.timestamp - b.timestamp);
  const gaps: Gap[] = [];
  let covered = whole.timestamp;
  let last = 'the begin';
  for (const span of working) {
    const begin = Math.min(span.timestamp, endOf(whole));
    if (begin > covered) gaps.push({ seconds: (begin - covered) / 1e6, after: last, before: named(span) });
    if (endOf(span) <= covered) continue;
    covered = endOf(span);
    last = named(span);
  }
  if (endOf(whole) > covered) {
    gaps.push({ seconds: (endOf(whole) - covered) / 1e6, after: last, before: 'the end' });
  }
  return gaps.sort((a, b) => b.seconds - a.seconds);
}

const named = ({ name, localEndpoint }: ZipkinSpan): string =>
  `${localEndpoint?.serviceName ?? '?'}: ${name}`;
