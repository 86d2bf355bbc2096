// The search language, as `virtscope.search` describes it: `host:a project:web cpu>80 -state:running text`. What cannot
// be understood is left out and told, for one is still typing.
import type { Cell } from './sort';

export interface Field<Row> {
  key: string;
  title: string;
  /** Of a number, as the catalogue has it; a text has none. */
  unit?: string;
  value: (row: Row) => Cell;
}

export type Test<Row> = (row: Row) => boolean;
export interface Query<Row> {
  test: Test<Row>;
  /** What was left out. */
  notes: string[];
}

export interface Completion {
  text: string;
  help: string;
}

const TOKEN =
  /\s+|(?<paren>[()])|(?<minus>-)(?=[^\s)])|(?<field>[A-Za-z][\w.]*)(?<operator>!=|>=|<=|[:=<>])(?<values>(?:"[^"]*"?|'[^']*'?|[^\s()"'])*)|(?<word>(?:"[^"]*"?|'[^']*'?|[^\s()"'])+)/gy;
const NUMBER = /^(-?\d+(?:\.\d+)?)\s*([a-zµ%/]*)$/i;
const BINARY: Record<string, number> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };
const DECIMAL: Record<string, number> = { '': 1, k: 1e3, m: 1e6, g: 1e9 };
const TIME: Record<string, number> = {
  '': 1,
  s: 1,
  ms: 1e-3,
  us: 1e-6,
  µs: 1e-6,
  ns: 1e-9,
  m: 60,
  min: 60,
  h: 3600,
  d: 86_400,
};

/** A number as people write it (`80`, `4G`, `20ms`), in the base unit; null where it is none. */
export function amount(text: string, unit: string): number | null {
  const found = NUMBER.exec(text.trim());
  if (!found) return null;
  const [, digits = '', written = ''] = found;
  const suffix = written.toLowerCase();
  if (unit === 'ratio') return suffix === '' || suffix === '%' ? Number(digits) / 100 : null;
  const short = suffix.replace(/\/s$/, '');
  const factor = unit.startsWith('bytes')
    ? BINARY[short.replace(/ib$|b$/, '')]
    : unit === 'seconds'
      ? TIME[suffix]
      : DECIMAL[short];
  return factor === undefined ? null : Number(digits) * factor;
}

/** What a row must be, by a text. `texts` are what bare words are looked for in. */
export function parse<Row>(
  text: string,
  fields: readonly Field<Row>[],
  texts: (row: Row) => readonly (string | null)[],
): Query<Row> {
  const tokens = [...text.matchAll(TOKEN)].filter((token) => token[0].trim());
  const notes: string[] = [];
  let at = 0;

  const isWord = (word: string): boolean => tokens[at]?.groups?.['word']?.toLowerCase() === word;
  const isEnd = (): boolean => at >= tokens.length || tokens[at]?.[0] === ')';

  function alternatives(): Test<Row> {
    const parts = [together()];
    while (isWord('or')) {
      at += 1;
      parts.push(together());
    }
    return parts.length === 1 ? parts[0]! : (row) => parts.some((part) => part(row));
  }

  function together(): Test<Row> {
    const parts: Test<Row>[] = [];
    while (!isEnd() && !isWord('or')) parts.push(one());
    return (row) => parts.every((part) => part(row));
  }

  function one(): Test<Row> {
    let isDenied = false;
    while (tokens[at]?.groups?.['minus'] || isWord('not')) {
      isDenied = !isDenied;
      at += 1;
    }
    if (isEnd()) return () => true;
    const token = tokens[at]!;
    at += 1;
    const found = token[0] === '(' ? grouped() : simple(token);
    return found && isDenied ? (row) => !found(row) : (found ?? (() => true));
  }

  function grouped(): Test<Row> {
    const found = alternatives();
    at += 1;
    return found;
  }

  function simple(token: RegExpExecArray): Test<Row> | null {
    const { field: key, operator = '', values = '', word = '' } = token.groups ?? {};
    if (key === undefined) {
      const wanted = bare(word).toLowerCase();
      return (row) => texts(row).some((name) => name?.toLowerCase().includes(wanted));
    }
    const field = fields.find((known) => known.key === key.toLowerCase());
    const tests = field && split(values).map((value) => comparison(field, operator, value));
    if (!field || !tests?.length || tests.includes(null)) {
      notes.push(token[0]);
      return null;
    }
    const any = (value: Cell): boolean => tests.some((test) => test?.(value));
    return operator === '!=' ? (row) => !any(field.value(row)) : (row) => any(field.value(row));
  }

  const found: Test<Row>[] = [];
  while (at < tokens.length) {
    found.push(alternatives());
    if (at < tokens.length) at += 1; // a parenthesis that closes nothing
  }
  return { test: (row) => found.every((part) => part(row)), notes };
}

/** Null: that is no such value. */
function comparison<Row>(
  field: Field<Row>,
  operator: string,
  given: string,
): ((value: Cell) => boolean) | null {
  const wanted = bare(given).toLowerCase();
  if (wanted === 'unknown' && !/[<>]/.test(operator)) return (value) => value === null || value === '';
  const { unit } = field;
  if (unit === undefined) {
    if (/[<>]/.test(operator)) return null;
    const text = (value: Cell): string => String(value).toLowerCase();
    if (operator !== ':') return (value) => value !== null && text(value) === wanted;
    if (!/[*?]/.test(wanted)) return (value) => value !== null && text(value).includes(wanted);
    const pattern = wanted
      .replace(/[.+^${}()|[\]\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    const whole = new RegExp(`^${pattern}$`, 's');
    return (value) => value !== null && whole.test(text(value));
  }
  const [low, high] = wanted.split('..').map((end) => amount(end, unit));
  if (low === undefined || low === null || high === null) return null;
  if (high !== undefined) return (value) => typeof value === 'number' && low <= value && value <= high;
  return (value) => typeof value === 'number' && ordered(value, operator, low);
}

function ordered(value: number, operator: string, limit: number): boolean {
  if (operator === '>') return value > limit;
  if (operator === '<') return value < limit;
  if (operator === '>=') return value >= limit;
  if (operator === '<=') return value <= limit;
  return Math.abs(value - limit) <= Math.max(1e-12, Math.abs(limit) * 1e-9);
}

function split(values: string): string[] {
  return (values.match(/(?:"[^"]*"?|'[^']*'?|[^,"'])+/g) ?? []).filter((value) => bare(value) !== '');
}

function bare(text: string): string {
  return text.replace(/["']/g, '');
}

const MOST = 10;

/** What the word at the caret could become: where it begins, and the texts. */
export function complete<Row>(
  text: string,
  caret: number,
  fields: readonly Field<Row>[],
  rows: readonly Row[],
): { from: number; options: Completion[] } {
  const [word = ''] = /(?:[^\s"()-]|(?<!^|[\s(])-|"[^"]*"?)*$/.exec(text.slice(0, caret)) ?? [];
  const from = caret - word.length;
  const [, key = '', operator = '', given = ''] = /^([A-Za-z][\w.]*)(!=|>=|<=|[:=<>])(.*)$/.exec(word) ?? [];
  if (!operator) {
    const begun = word.toLowerCase();
    if (!begun) return { from, options: [] };
    const options = fields
      .filter((one) => one.key.startsWith(begun) || one.title.toLowerCase().startsWith(begun))
      .map((one) => ({ text: `${one.key}${one.unit === undefined ? ':' : '>'}`, help: one.title }));
    return { from, options: options.slice(0, MOST) };
  }
  const field = fields.find((one) => one.key === key.toLowerCase());
  if (!field || field.unit !== undefined) return { from, options: [] };
  const counts = new Map<string, number>();
  for (const row of rows) {
    const value = field.value(row);
    if (value !== null && value !== '') counts.set(String(value), (counts.get(String(value)) ?? 0) + 1);
  }
  const kept = given.slice(0, given.lastIndexOf(',') + 1);
  const begun = bare(given.slice(kept.length)).toLowerCase();
  const options = [...counts]
    .filter(([value]) => value.toLowerCase().includes(begun) && value.toLowerCase() !== begun)
    .sort((a, b) => b[1] - a[1])
    .slice(0, MOST)
    .map(([value, count]) => ({
      text: `${key}${operator}${kept}${/[\s(),']/.test(value) ? `"${value.replaceAll('"', '')}"` : value} `,
      help: String(count),
    }));
  return { from, options };
}
