import { expect, it } from 'vitest';
import { amount, complete, parse, type Field } from './search';

interface Row {
  name: string;
  state: string;
  cpu: number | null;
  memory: number;
}
const FIELDS: Field<Row>[] = [
  { key: 'name', title: 'Name', value: (row) => row.name },
  { key: 'state', title: 'State', value: (row) => row.state },
  { key: 'cpu', title: 'CPU', unit: 'ratio', value: (row) => row.cpu },
  { key: 'memory', title: 'Memory', unit: 'bytes', value: (row) => row.memory },
];
const ROWS: Row[] = [
  { name: 'web-1', state: 'running', cpu: 0.9, memory: 4 * 2 ** 30 },
  { name: 'web-2', state: 'shut off', cpu: null, memory: 2 ** 30 },
  { name: 'db-1', state: 'running', cpu: 0.2, memory: 64 * 2 ** 30 },
];
const found = (text: string) =>
  ROWS.filter(parse(text, FIELDS, (row) => [row.name, row.state]).test).map((row) => row.name);

it('takes all words together', () => {
  expect(found('web state:running cpu>80')).toEqual(['web-1']);
  expect(found('')).toEqual(['web-1', 'web-2', 'db-1']);
});

it('knows denial, alternatives, quotes, patterns and the unknown', () => {
  expect(found('-state:running')).toEqual(['web-2']);
  expect(found('not web')).toEqual(['db-1']);
  expect(found('name:web-1,db')).toEqual(['web-1', 'db-1']);
  expect(found('name!=web-1,web-2')).toEqual(['db-1']);
  expect(found('state:"shut off"')).toEqual(['web-2']);
  expect(found('name:w*1')).toEqual(['web-1']);
  expect(found('name=web')).toEqual([]);
  expect(found('cpu:unknown')).toEqual(['web-2']);
  expect(found('(name:db or cpu>80) state:running')).toEqual(['web-1', 'db-1']);
  expect(found('-(web or db)')).toEqual([]);
});

it('compares with units, and unknown is never more nor less', () => {
  expect(found('memory>=4G')).toEqual(['web-1', 'db-1']);
  expect(found('memory:1G..4G')).toEqual(['web-1', 'web-2']);
  expect(found('cpu<50')).toEqual(['db-1']);
  expect([amount('80%', 'ratio'), amount('20ms', 'seconds'), amount('1.5k', 'count')]).toEqual([
    0.8, 0.02, 1500,
  ]);
  expect(amount('20 bananas', 'bytes')).toBeNull();
});

it('leaves out what it does not understand, and tells', () => {
  const { test, notes } = parse('cpu>much gpu>3 name> web ) cpu>', FIELDS, (row) => [row.name]);
  expect(notes).toEqual(['cpu>much', 'gpu>3', 'name>', 'cpu>']);
  expect(ROWS.filter(test).map((row) => row.name)).toEqual(['web-1', 'web-2']);
});

it('completes fields and values', () => {
  expect(complete('st', 2, FIELDS, ROWS).options).toEqual([{ text: 'state:', help: 'State' }]);
  expect(complete('web -state:', 11, FIELDS, ROWS)).toEqual({
    from: 5,
    options: [
      { text: 'state:running ', help: '2' },
      { text: 'state:"shut off" ', help: '1' },
    ],
  });
  expect(complete('name:db-1,web-', 14, FIELDS, ROWS).options[0]?.text).toBe('name:db-1,web-1 ');
});
