import { expect, test } from 'vitest';
import type { Finding } from './findings.svelte';
import { loads, moves } from './moves';

const step = (number: number, hosts: [string, string], figures: number[], verdict = 'migrate'): Finding => ({
  analysis: 'rebalance',
  subject: {
    kind: 'domain',
    id: `d${number}`,
    name: `web-${number}`,
    host: hosts[0],
    part: `step ${number}`,
  },
  verdict,
  severity: 'info',
  reason: '',
  evidence: {
    start: 0,
    end: 0,
    samples: 1,
    coverage: 1,
    notes: [],
    series: hosts.map((object) => ({ quantity: 'cpu_ratio', object })),
  },
  confidence: 1,
  figures: [
    { name: 'step', value: number, unit: '' },
    ...[
      'load of the source',
      'load of the source afterwards',
      'load of the target',
      'load of the target afterwards',
    ].map((name, at) => ({ name, value: figures[at] ?? null, unit: 'ratio' })),
  ],
  effect: null,
  action: '',
});
const whole: Finding = {
  ...step(9, ['', ''], []),
  figures: [{ name: 'highest load', value: 0.9, unit: 'ratio' }],
};
const found = [
  step(2, ['h1', 'h3'], [0.7, 0.5, 0.1, 0.3], 'make room'),
  whole,
  step(1, ['h1', 'h2'], [0.9, 0.7, 0.2, 0.4]),
];

test('steps are in their order, whatever order they come in', () => {
  expect(moves(found).map((one) => [one.number, one.source, one.target, one.parked])).toEqual([
    [1, 'h1', 'h2', false],
    [2, 'h1', 'h3', true],
  ]);
});

test('a host that several steps touch is told before the first and after the last', () => {
  expect(loads(found)).toEqual([
    { host: 'h1', before: 0.9, after: 0.5 },
    { host: 'h2', before: 0.2, after: 0.4 },
    { host: 'h3', before: 0.1, after: 0.3 },
  ]);
});
