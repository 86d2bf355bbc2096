import { expect, test } from 'vitest';
import type { Domain } from './api';
import type { Finding } from './findings.svelte';
import { dying, flavours, placed } from './what_if';

test('hosts are told apart by commas and spaces', () => {
  expect(dying(' a, b  c ')).toEqual(['a', 'b', 'c']);
  expect(dying('')).toEqual([]);
});

test('sizes are those that most have; who tells none is left out', () => {
  const of = (memory_maximum: number | null, vcpus: number | null): Domain =>
    ({ figures: { memory_maximum, vcpus } }) as unknown as Domain;
  const gib = 2 ** 30;
  expect(flavours([of(gib, 1), of(2 * gib, 2), of(2 * gib, 2), of(null, 2), of(gib, null)])).toEqual([
    { key: '2048M 2', memory: 2 * gib, vcpus: 2, count: 2 },
    { key: '1024M 1', memory: gib, vcpus: 1, count: 1 },
  ]);
});

test('where new domains would go is read from the notes', () => {
  const notes = ['2 on kvm1', '13 on kvm2', 'web can run nowhere else'];
  expect(placed({ evidence: { notes } } as unknown as Finding)).toEqual([
    { host: 'kvm2', number: 13 },
    { host: 'kvm1', number: 2 },
  ]);
});
