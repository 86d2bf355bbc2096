// What a finding rests on, as it is drawn on charts: the time that it looked at, and the figures that decide.
import type { Scope } from './api';
import type { Stretch } from './alerting';
import type { Finding } from './findings.svelte';

/** A figure drawn across a chart. */
export interface Level {
  value: number;
  text: string;
  tone: Stretch['tone'];
}
export interface Drawn {
  stretches: Stretch[];
  levels: Level[];
}

/** As findings have units, and as the catalogue has them. */
const UNITS: Record<string, string> = { s: 'seconds', 'bytes/s': 'bytes_per_second', '': 'count' };
const MOST_LEVELS = 4;

/** Of a chart of these quantities of one object: what of the findings belongs on it. */
export function drawn(
  findings: readonly Finding[],
  scope: Scope,
  quantities: readonly string[],
  unit: string,
): Drawn {
  const made: Drawn = { stretches: [], levels: [] };
  if (scope !== 'domain' && scope !== 'host') return made;
  for (const finding of findings) {
    const { evidence, subject, severity } = finding;
    const looked = (evidence.series ?? []).some(
      (one) => one.object === subject.id && quantities.includes(one.quantity),
    );
    if (!looked) continue;
    const tone = severity === 'critical' ? 'bad' : severity === 'warning' ? 'warn' : 'accent';
    const text = `${finding.verdict} (${finding.analysis})`;
    made.stretches.push({ from: evidence.start, to: evidence.end, text, tone });
    for (const { name, value, unit: of } of finding.figures) {
      if (value === null || (UNITS[of] ?? of) !== unit || made.levels.length >= MOST_LEVELS) continue;
      if (made.levels.some((one) => one.text === name)) continue;
      made.levels.push({ value, text: name, tone });
    }
  }
  return made;
}
