// Figures as text. Bytes are binary (KiB), unknown is a dash, and a unit is never left out.

export const UNKNOWN = '–';
type Figure = number | null | undefined;
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

function digits(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) < 1 ? 2 : 1);
}

export function size(value: Figure, per = ''): string {
  if (value === null || value === undefined) return UNKNOWN;
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < BINARY.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? value.toFixed(0) : digits(value)} ${BINARY[unit]}${per}`;
}

export function rate(value: Figure): string {
  return size(value, '/s');
}

export function ratio(value: Figure): string {
  return value === null || value === undefined ? UNKNOWN : `${(value * 100).toFixed(1)} %`;
}

export function cores(value: Figure): string {
  return value === null || value === undefined ? UNKNOWN : value.toFixed(2);
}

export function count(value: Figure): string {
  return value === null || value === undefined ? UNKNOWN : digits(value);
}

export function perSecond(value: Figure): string {
  return value === null || value === undefined ? UNKNOWN : `${digits(value)}/s`;
}

export function duration(seconds: Figure): string {
  if (seconds === null || seconds === undefined) return UNKNOWN;
  if (seconds < 1e-3) return `${digits(seconds * 1e6)} µs`;
  if (seconds < 1) return `${digits(seconds * 1e3)} ms`;
  if (seconds < 120) return `${digits(seconds)} s`;
  if (seconds < 7200) return `${digits(seconds / 60)} min`;
  if (seconds < 172_800) return `${digits(seconds / 3600)} h`;
  return `${digits(seconds / 86_400)} d`;
}

export function ago(at: number | null, now: number): string {
  if (at === null) return 'never';
  const seconds = Math.round(now - at);
  return seconds < 2 ? 'just now' : `${duration(seconds)} ago`;
}

export function clock(at: number): string {
  return new Date(at * 1000).toLocaleString();
}

/** A moment on an axis that is so many seconds long. */
export function moment(at: number, seconds: number): string {
  const when = new Date(at * 1000);
  const two = (value: number): string => String(value).padStart(2, '0');
  const time = `${two(when.getHours())}:${two(when.getMinutes())}`;
  if (seconds <= 600) return `${time}:${two(when.getSeconds())}`;
  if (seconds <= 100_000) return time;
  const day = `${two(when.getMonth() + 1)}-${two(when.getDate())}`;
  return time === '00:00' || seconds > 900_000 ? day : `${day} ${time}`;
}

const BY_UNIT: Record<string, (value: Figure) => string> = {
  bytes: size,
  bytes_per_second: rate,
  per_second: perSecond,
  ratio,
  cores,
  seconds: duration,
  // As findings have them.
  s: duration,
  'bytes/s': rate,
  count,
};

/** A figure in the unit that the catalogue gives it. */
export function figure(value: Figure, unit: string): string {
  return (BY_UNIT[unit] ?? count)(value);
}
