import { expect, it } from 'vitest';
import { compare, readOrder, sorted, writeOrder } from './sort';

it('counts as people do', () => {
  expect(['web-10', 'web-2', 'db'].sort((a, b) => compare(a, b, false))).toEqual(['db', 'web-2', 'web-10']);
  const names = ['web-10', 'web-2', null, 'db'];
  expect(sorted(names, (name) => name, false)).toEqual(['db', 'web-2', 'web-10', null]);
  expect(sorted(names, (name) => name, true)).toEqual(['web-10', 'web-2', 'db', null]);
});

it('puts the unknown last whichever way', () => {
  expect([null, 1, 3].sort((a, b) => compare(a, b, true))).toEqual([3, 1, null]);
  expect(sorted([null, 1, 3], (one) => one, true)).toEqual([3, 1, null]);
  expect(sorted([null, 3, 1], (one) => one, false)).toEqual([1, 3, null]);
});

it('keeps the order of equals', () => {
  const rows = ['b1', 'a1', 'b2', 'a2'];
  expect(sorted(rows, (row) => row.charAt(0), true)).toEqual(['b1', 'b2', 'a1', 'a2']);
});

it('has the order in one word of the address', () => {
  expect(readOrder('-cpu', { key: 'name', down: false })).toEqual({ key: 'cpu', down: true });
  expect(readOrder(null, { key: 'name', down: false })).toEqual({ key: 'name', down: false });
  expect(writeOrder({ key: 'cpu', down: true })).toBe('-cpu');
});
