// Size against risk: what sizing policies would keep of a fleet, and how often that had been too little. Out of each
// domain's percentiles; the same time tells sizes and judges them, so a policy's true risk is a little higher.

/** How a domain's use is distributed: percentiles (0 to 100, ascending) and the use at each. */
export interface Use {
  /** What it has now. */
  has: number;
  ranks: readonly number[];
  values: readonly number[];
}
export interface Outcome {
  rank: number;
  /** The share of what they have now. */
  kept: number;
  /** The share of domains that had needed more in more than the tolerated share of the time. */
  risk: number;
  /** How many those are. */
  exceeding: number;
}

export const RANKS = [50, 75, 90, 95, 98, 99, 99.5, 99.9, 100] as const;

/** The share of the time in which a domain used more than a size; between two percentiles it is taken as even. */
export function shareAbove({ ranks, values }: Use, size: number): number {
  const at = values.findIndex((value) => value > size);
  if (at < 0) return 0;
  const [above, high] = [ranks[at] ?? 100, values[at] ?? 0];
  const [below, low] = at ? [ranks[at - 1] ?? 0, values[at - 1] ?? 0] : [0, 0];
  const part = high > low ? (size - low) / (high - low) : 0;
  return 1 - (below + part * (above - below)) / 100;
}

/** The size that a percentile and a margin (0.2 is a fifth) on top make; of vCPUs whole ones, and never more than now. */
export function sized(use: Use, rank: number, margin: number, whole: boolean): number {
  const need = (use.values[use.ranks.indexOf(rank)] ?? use.has) * (1 + margin);
  return Math.min(use.has, whole ? Math.max(1, Math.ceil(need - 1e-9)) : need);
}

/** What comes of each percentile with a margin. */
export function outcomes(uses: readonly Use[], margin: number, whole: boolean, tolerated: number): Outcome[] {
  const all = uses.reduce((sum, use) => sum + use.has, 0);
  if (!all) return [];
  return RANKS.map((rank) => {
    const sizes = uses.map((use) => sized(use, rank, margin, whole));
    const exceeding = uses.filter((use, at) => shareAbove(use, sizes[at] ?? 0) > tolerated).length;
    return {
      rank,
      kept: sizes.reduce((sum, size) => sum + size, 0) / all,
      risk: exceeding / uses.length,
      exceeding,
    };
  });
}

/** Of one domain: each size that it could have, and the share of the time in which that had been too little. */
export function risks(use: Use, whole: boolean): { size: number; risk: number }[] {
  const count = whole ? Math.max(1, Math.round(use.has)) : 10;
  return Array.from({ length: Math.min(count, 64) }, (_, at) => {
    const size = (use.has * (at + 1)) / Math.min(count, 64);
    return { size, risk: shareAbove(use, size) };
  });
}
