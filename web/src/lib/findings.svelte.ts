// What the analyses have found, where the server runs any: it keeps the newest result of each.
import { get, Problem, send } from './api';

export type Severity = 'ok' | 'info' | 'warning' | 'critical';
export interface Finding {
  analysis: string;
  subject: { kind: string; id: string; name: string; host: string; host_name?: string; part: string };
  verdict: string;
  severity: Severity;
  reason: string;
  evidence: {
    start: number;
    end: number;
    samples: number;
    coverage: number;
    series: { quantity: string; object: string }[];
    notes: string[];
  };
  confidence: number;
  figures: { name: string; value: number | null; unit: string }[];
  effect: Record<string, number> | null;
  action: string;
}

/** A finding of a scheduled run, with its history. */
export interface Kept {
  id: string;
  state: 'new' | 'still' | 'gone';
  first: number;
  dismissal: { at: number; until: number | null; who: string; reason: string } | null;
  finding: Finding;
}

const EVERY_MS = 60_000;
const WEIGHT: Record<Severity, number> = { critical: 3, warning: 2, info: 1, ok: 0 };

class Findings {
  /** Null: the server has none to tell, they are not for us, or nothing has been analysed yet. */
  kept = $state.raw<readonly Kept[] | null>(null);
  all = $derived(this.kept?.map((one) => one.finding) ?? null);
  #asked = 0;

  /** Those that somebody should look at, worst first. */
  get open(): readonly Finding[] | null {
    if (!this.all) return null;
    return this.all
      .filter((one) => one.severity === 'warning' || one.severity === 'critical')
      .sort((a, b) => WEIGHT[b.severity] - WEIGHT[a.severity] || b.confidence - a.confidence);
  }

  /** Those about a host or a domain, or one of its parts. */
  of(id: string): readonly Finding[] | null {
    return this.all?.filter((one) => one.subject.id === id) ?? null;
  }

  /** What a finding of just now is known as, where a scheduled run has found it too. */
  known(finding: Finding): Kept | null {
    const { analysis, subject, verdict } = finding;
    return (
      this.kept?.find(
        ({ finding: one }) =>
          one.analysis === analysis &&
          one.verdict === verdict &&
          one.subject.kind === subject.kind &&
          one.subject.id === subject.id &&
          one.subject.part === subject.part,
      ) ?? null
    );
  }

  /** Not to hear of it any more, until a time (Unix seconds; null: for ever). Throws a Problem. */
  async dismiss(id: string, reason: string, until: number | null): Promise<void> {
    await send('POST', `findings/${encodeURIComponent(id)}/dismissal`, { reason, until });
    await this.#again();
  }

  /** To hear of it again. Throws a Problem. */
  async restore(id: string): Promise<void> {
    await send('DELETE', `findings/${encodeURIComponent(id)}/dismissal`);
    await this.#again();
  }

  async #again(): Promise<void> {
    this.#asked = 0;
    await this.ask();
  }

  /** Asks again, if that is long enough ago. */
  async ask(): Promise<void> {
    if (Date.now() - this.#asked < EVERY_MS) return;
    this.#asked = Date.now();
    try {
      const answer = await get<{ runs: unknown[]; findings: Kept[] }>('findings', { severity: 'info' });
      this.kept = answer.runs.length ? answer.findings : null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 404 || error.status === 403) {
        this.kept = null;
        this.#asked = Infinity;
      }
    }
  }
}

export const findings = new Findings();
