// Rows in order, as people ask for it.

export type Cell = string | number | null;
export interface Order {
  key: string;
  down: boolean;
}

const COLLATOR = new Intl.Collator(undefined, { numeric: true });

/** Unknown comes last whichever way; names are compared as people count: web-2 before web-10. */
export function compare(a: Cell, b: Cell, down: boolean): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  const way = down ? -1 : 1;
  if (typeof a === 'number' && typeof b === 'number') return way * (a - b);
  return way * COLLATOR.compare(String(a), String(b));
}

/** The place of each text among the others: comparing numbers is a hundred times as fast as comparing texts. */
let places = new Map<string, number>();

function placed(texts: ReadonlySet<string>): ReadonlyMap<string, number> {
  for (const text of texts) {
    if (places.has(text)) continue;
    const all = new Set([...texts, ...(places.size > 100_000 ? [] : places.keys())]);
    places = new Map([...all].sort(COLLATOR.compare).map((one, at) => [one, at]));
    break;
  }
  return places;
}

/** Rows by a value of theirs; those of the same value keep their order. */
export function sorted<Row>(rows: readonly Row[], value: (row: Row) => Cell, down: boolean): Row[] {
  const values = rows.map(value);
  const texts = new Set(values.filter((one) => typeof one === 'string'));
  const place = texts.size ? placed(texts) : null;
  const way = down ? -1 : 1;
  const keys = values.map((one) => (typeof one === 'string' ? (place?.get(one) ?? 0) : one));
  return [...rows.keys()]
    .sort((a, b) => {
      const left = keys[a] ?? null;
      const right = keys[b] ?? null;
      if (left === null || right === null) return left === right ? a - b : left === null ? 1 : -1;
      return way * (left - right) || a - b;
    })
    .map((at) => rows[at]!);
}

/** `-cpu` is by cpu, downwards. */
export function readOrder(text: string | null, standard: Order): Order {
  if (!text) return standard;
  return text.startsWith('-') ? { key: text.slice(1), down: true } : { key: text, down: false };
}

export function writeOrder(order: Order): string {
  return `${order.down ? '-' : ''}${order.key}`;
}
