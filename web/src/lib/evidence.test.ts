import { expect, test } from 'vitest';
import { drawn } from './evidence';
import type { Finding } from './findings.svelte';

const oversized: Finding = {
  analysis: 'cpu-sizing',
  subject: { kind: 'domain', id: 'd', name: 'web', host: 'h', part: '' },
  verdict: 'oversized',
  severity: 'info',
  reason: '',
  evidence: {
    start: 10,
    end: 90,
    samples: 8,
    coverage: 1,
    notes: [],
    series: [
      { quantity: 'cpu_cores', object: 'd' },
      { quantity: 'steal_ratio', object: 'd' },
    ],
  },
  confidence: 1,
  figures: [
    { name: 'vCPUs', value: 8, unit: '' },
    { name: 'CPU used, p99.5', value: 1.5, unit: 'cores' },
    { name: 'CPU wanted, p99.5', value: null, unit: 'cores' },
    { name: 'steal, average', value: 0.02, unit: 'ratio' },
  ],
  effect: null,
  action: '',
};

test('a finding is drawn on the charts of what it looked at, its figures where they have the unit', () => {
  expect(drawn([oversized], 'domain', ['cpu_cores'], 'cores')).toEqual({
    stretches: [{ from: 10, to: 90, text: 'oversized (cpu-sizing)', tone: 'accent' }],
    levels: [{ value: 1.5, text: 'CPU used, p99.5', tone: 'accent' }],
  });
  expect(drawn([oversized], 'domain', ['steal_ratio'], 'ratio').levels[0]?.value).toBe(0.02);
  expect(drawn([oversized], 'domain', ['memory_used'], 'bytes').stretches).toEqual([]);
  expect(drawn([oversized], 'vcpu', ['cpu_cores'], 'cores').stretches).toEqual([]);
});
