import { expect, it } from 'vitest';
import { compare, matches } from './sort';

it('counts as people do', () => {
  expect(['web-10', 'web-2', 'db'].sort((a, b) => compare(a, b, false))).toEqual(['db', 'web-2', 'web-10']);
});

it('puts the unknown last whichever way', () => {
  expect([null, 1, 3].sort((a, b) => compare(a, b, true))).toEqual([3, 1, null]);
  expect([null, 1, 3].sort((a, b) => compare(a, b, false))).toEqual([1, 3, null]);
});

it('finds every word somewhere', () => {
  expect(matches(['web-1', 'kvm2', null], 'KVM web')).toBe(true);
  expect(matches(['web-1', 'kvm2', null], 'kvm db')).toBe(false);
  expect(matches(['web-1'], '')).toBe(true);
});
