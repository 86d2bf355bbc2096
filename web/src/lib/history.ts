// The last minutes of one figure for many objects: what sparklines draw.

export class History {
  #points = new Map<string, (number | null)[]>();
  #last = 0;

  constructor(
    readonly length: number,
    readonly step: number,
  ) {}

  /** Takes over what the server remembers; `end` is the time of its newest point. */
  fill(id: string, points: readonly (number | null)[], end: number): void {
    this.#points.set(id, points.slice(-this.length));
    this.#last = Math.max(this.#last, end);
  }

  /** Adds the values of now, if a step has passed since the last ones. */
  add(at: number, values: Iterable<readonly [string, number | null]>): void {
    if (at < this.#last + this.step * 0.9) return;
    this.#last = at;
    const seen = new Set<string>();
    for (const [id, value] of values) {
      seen.add(id);
      this.#points.set(id, [...(this.#points.get(id) ?? []).slice(1 - this.length), value]);
    }
    for (const id of this.#points.keys()) if (!seen.has(id)) this.#points.delete(id);
  }

  of(id: string): readonly (number | null)[] {
    return this.#points.get(id) ?? [];
  }
}
