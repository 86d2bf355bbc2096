// What the store holds, and where that leads.

export interface StoreLevel {
  level: string;
  keep_days: number | null;
  files: number;
  bytes: number;
  oldest: number | null;
  newest: number | null;
}
const DAY = 86_400;
/** Of less than an hour nothing can be said about a day. */
const LEAST_DAYS = 1 / 24;

/** Bytes that a day of a level takes; null where it holds too little to tell, or is no archive. */
export function perDay(level: StoreLevel): number | null {
  if (level.keep_days === null || level.oldest === null || level.newest === null) return null;
  const days = (level.newest - level.oldest) / DAY;
  return days >= LEAST_DAYS ? level.bytes / days : null;
}

/** What a level will hold when it is kept for as long as it may be; null where that cannot be told. */
export function full(level: StoreLevel): number | null {
  if (level.keep_days === null) return level.bytes;
  const pace = perDay(level);
  return pace === null ? null : Math.max(level.bytes, pace * level.keep_days);
}

export interface Total {
  bytes: number;
  /** What is added a day, until old days are forgotten; null while nothing is archived. */
  growth: number | null;
  /** What all of it will be in the end; null while that cannot be told of every level. */
  full: number | null;
}

export function total(levels: readonly StoreLevel[]): Total {
  const sum = (values: (number | null)[]): number | null => {
    const known = values.filter((value) => value !== null);
    return known.length ? known.reduce((all, value) => all + value, 0) : null;
  };
  const archived = levels.some((one) => one.keep_days !== null);
  const growing = levels.filter(
    (one) =>
      one.keep_days !== null &&
      one.oldest !== null &&
      one.newest !== null &&
      one.newest - one.oldest < one.keep_days * DAY,
  );
  return {
    bytes: levels.reduce((all, one) => all + one.bytes, 0),
    growth: growing.length ? sum(growing.map(perDay)) : archived ? 0 : null,
    full: archived && levels.every((one) => full(one) !== null) ? sum(levels.map(full)) : null,
  };
}
