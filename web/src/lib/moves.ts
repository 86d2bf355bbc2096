// What a rebalance changes: the loads of the hosts before and after, and the steps between, out of its findings.
import type { Finding } from './findings.svelte';

export interface Move {
  number: number;
  domain: string;
  name: string;
  source: string;
  target: string;
  /** It only makes room for others. */
  parked: boolean;
}
export interface HostLoad {
  host: string;
  before: number;
  after: number;
}

const figure = (of: Finding, name: string): number | null =>
  of.figures.find((one) => one.name === name)?.value ?? null;

export function moves(findings: readonly Finding[]): Move[] {
  return findings
    .flatMap((one): Move[] => {
      const number = figure(one, 'step');
      const [source, target] = one.evidence.series;
      if (number === null || !source || !target) return [];
      return [
        {
          number,
          domain: one.subject.id,
          name: one.subject.name,
          source: source.object,
          target: target.object,
          parked: one.verdict === 'make room',
        },
      ];
    })
    .sort((a, b) => a.number - b.number);
}

/** Of every host that a step touches: its load before the first and after the last; the busiest first. */
export function loads(findings: readonly Finding[]): HostLoad[] {
  const found = new Map<string, HostLoad>();
  const ordered = findings
    .filter((one) => figure(one, 'step') !== null)
    .sort((a, b) => (figure(a, 'step') ?? 0) - (figure(b, 'step') ?? 0));
  for (const one of ordered) {
    for (const [at, name] of ['source', 'target'].entries()) {
      const host = one.evidence.series[at]?.object;
      const before = figure(one, `load of the ${name}`);
      const after = figure(one, `load of the ${name} afterwards`);
      if (host === undefined || before === null || after === null) continue;
      found.set(host, { host, before: found.get(host)?.before ?? before, after });
    }
  }
  return [...found.values()].sort((a, b) => b.before - a.before);
}
