// Rows in order and narrowed, as people ask for it.

export type Cell = string | number | null;
export interface Order {
  key: string;
  down: boolean;
}

/** Unknown comes last whichever way; names are compared as people count: web-2 before web-10. */
export function compare(a: Cell, b: Cell, down: boolean): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  const way = down ? -1 : 1;
  if (typeof a === 'number' && typeof b === 'number') return way * (a - b);
  return way * String(a).localeCompare(String(b), undefined, { numeric: true });
}

/** Whether every word is in one of the texts. */
export function matches(texts: readonly (string | null)[], words: string): boolean {
  const all = texts.join('\n').toLowerCase();
  return words
    .toLowerCase()
    .split(/\s+/)
    .every((word) => all.includes(word));
}
