// The range of time that all charts of a page share. It is in the address: `range=6h` goes on with the clock,
// `from=` and `to=` stay; `vs=` puts an earlier time beside it.
import { router } from './router.svelte';

export const RANGES: Readonly<Record<string, number>> = {
  '15m': 900,
  '1h': 3600,
  '6h': 21_600,
  '24h': 86_400,
  '7d': 604_800,
  '30d': 2_592_000,
};
const STANDARD = '1h';
const EARLIER: Readonly<Record<string, number>> = { day: 86_400, week: 604_800 };

class Span {
  /** The name of a range that goes on with the clock; null: it stays. */
  get range(): string | null {
    if (this.fixed) return null;
    const name = router.query.get('range') ?? STANDARD;
    return name in RANGES ? name : STANDARD;
  }

  get fixed(): { from: number; to: number } | null {
    const from = Number(router.query.get('from') ?? NaN);
    const to = Number(router.query.get('to') ?? NaN);
    return from > 0 && to > from ? { from, to } : null;
  }

  get seconds(): number {
    return this.fixed ? this.fixed.to - this.fixed.from : (RANGES[this.range ?? STANDARD] ?? 3600);
  }

  /** How many seconds before, the time lies that it is compared with; 0: with none. */
  get earlier(): number {
    return EARLIER[router.query.get('vs') ?? ''] ?? 0;
  }

  choose(name: string): void {
    router.merge({ range: name === STANDARD ? '' : name, from: '', to: '' });
  }

  compare(name: string): void {
    router.set('vs', name);
  }

  zoom(from: number, to: number): void {
    if (to - from < 10) return;
    router.merge({ from: from.toFixed(0), to: to.toFixed(0) }, true);
  }

  /** Moves by a share of its length; into the future it does not go. */
  pan(share: number, now: number): void {
    const { from, to } = this.fixed ?? { from: now - this.seconds, to: now };
    const by = Math.min(share * (to - from), now - to);
    router.merge({ from: (from + by).toFixed(0), to: (to + by).toFixed(0) });
  }

  /** Twice as long, around the same middle. */
  out(now: number): void {
    const { from, to } = this.fixed ?? { from: now - this.seconds, to: now };
    const end = Math.min(now, to + (to - from) / 2);
    router.merge({ from: (end - 2 * (to - from)).toFixed(0), to: end.toFixed(0) }, true);
  }

  /** Goes on with the clock again. */
  live(): void {
    router.merge({ from: '', to: '' });
  }

  /** As parameters of a request; a negative start counts back from now. */
  get asked(): { start: number; end?: number } {
    return this.fixed ? { start: this.fixed.from, end: this.fixed.to } : { start: -this.seconds };
  }
}

export const span = new Span();
