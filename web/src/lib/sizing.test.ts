import { expect, test } from 'vitest';
import { outcomes, RANKS, risks, shareAbove, sized, type Use } from './sizing';

/** Uses 1 core half of the time, then more and more, up to 4. */
const steady: Use = { has: 8, ranks: RANKS, values: [1, 1.2, 1.5, 2, 2.4, 2.8, 3, 3.5, 4] };
const burst: Use = { has: 4, ranks: RANKS, values: [0.1, 0.1, 0.1, 0.1, 4, 4, 4, 4, 4] };

test('the share of the time above a size is read off the percentiles', () => {
  expect(shareAbove(steady, 4)).toBe(0);
  expect(shareAbove(steady, 2)).toBeCloseTo(0.05);
  expect(shareAbove(steady, 2.2)).toBeCloseTo(0.035);
  expect(shareAbove(steady, 0.5)).toBeCloseTo(0.75);
  expect(shareAbove(burst, 2.05)).toBeCloseTo(0.035);
});

test('a size holds its percentile, in whole vCPUs, and is never more than there is', () => {
  expect(sized(steady, 95, 0.2, true)).toBe(3);
  expect(sized(steady, 95, 0.2, false)).toBeCloseTo(2.4);
  expect(sized(burst, 100, 0.2, true)).toBe(4);
  expect(sized(burst, 50, 0, true)).toBe(1);
});

test('the more is kept, the less is risked', () => {
  const found = outcomes([steady, burst], 0.2, true, 0.01);
  expect(found.map((one) => one.rank)).toEqual([...RANKS]);
  expect(found.at(-1)).toMatchObject({ kept: 9 / 12, risk: 0 });
  expect(found[3]).toMatchObject({ rank: 95, kept: 4 / 12, exceeding: 1, risk: 0.5 });
  expect(outcomes([], 0.2, true, 0.01)).toEqual([]);
});

test('one domain has a risk for each number of vCPUs', () => {
  const found = risks(burst, true);
  expect(found.map((one) => one.size)).toEqual([1, 2, 3, 4]);
  expect(found.at(-1)?.risk).toBe(0);
  expect(found[0]?.risk).toBeGreaterThan(0.02);
});
