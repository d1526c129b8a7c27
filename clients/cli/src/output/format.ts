/** Numbers as people read them. */

const bytesUnits = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** 1234567 → "1.23 MB" (powers of 1000, three digits). */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < bytesUnits.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${bytesUnits[unit]}`;
}

/** 4.2 → "4.2s", 75 → "1m15s", 3700 → "1h02m". */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${pad(whole % 60)}s`;
  return `${Math.floor(whole / 3600)}h${pad(Math.floor((whole % 3600) / 60))}m`;
}

/** A loss or a ratio: four significant digits, never exponent notation for ordinary sizes. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return String(value);
  if (size < 1e-3 || size >= 1e6) return value.toExponential(3);
  return String(Number(value.toPrecision(4)));
}

const pad = (value: number): string => String(value).padStart(2, '0');
const threeDigits = (value: number): string =>
  value >= 99.95 ? value.toFixed(0) : value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
