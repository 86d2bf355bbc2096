import { expect, test } from 'vitest';
import { full, perDay, total, type StoreLevel } from './keeping';

const level = (more: Partial<StoreLevel>): StoreLevel => ({
  level: 'raw',
  keep_days: 14,
  files: 2,
  bytes: 1000,
  oldest: 0,
  newest: 2 * 86_400,
  ...more,
});

test('a level grows by what its days took, until it has as many as are kept', () => {
  expect(perDay(level({}))).toBe(500);
  expect(full(level({}))).toBe(7000);
  expect(full(level({ newest: 20 * 86_400 }))).toBe(1000);
  expect(perDay(level({ newest: 60 }))).toBeNull();
  expect(perDay(level({ oldest: null }))).toBeNull();
  expect(full(level({ keep_days: null, bytes: 70 }))).toBe(70);
});

test('all of it: what is there, what comes a day, where it ends', () => {
  const hot = level({ level: 'hot', keep_days: null, bytes: 50, newest: 7200 });
  const done = level({ level: '5m', newest: 14 * 86_400 });
  expect(total([hot, level({}), done])).toEqual({ bytes: 2050, growth: 500, full: 8050 });
  expect(total([hot])).toEqual({ bytes: 50, growth: null, full: null });
  expect(total([hot, done])).toEqual({ bytes: 1050, growth: 0, full: 1050 });
  expect(total([level({ newest: 60 })])).toEqual({ bytes: 1000, growth: null, full: null });
});
