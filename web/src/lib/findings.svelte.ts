// What the analyses have found, where the server runs any: it keeps the newest result of each.
import { get, Problem } from './api';

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
    notes: string[];
  };
  confidence: number;
  figures: { name: string; value: number | null; unit: string }[];
  effect: Record<string, number> | null;
  action: string;
}

const EVERY_MS = 60_000;
const WEIGHT: Record<Severity, number> = { critical: 3, warning: 2, info: 1, ok: 0 };

class Findings {
  /** Null: the server has none to tell, they are not for us, or nothing has been analysed yet. */
  all = $state.raw<readonly Finding[] | null>(null);
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

  /** Asks again, if that is long enough ago. */
  async ask(): Promise<void> {
    if (Date.now() - this.#asked < EVERY_MS) return;
    this.#asked = Date.now();
    try {
      const answer = await get<{ runs: unknown[]; findings: { finding: Finding }[] }>('findings', {
        severity: 'info',
      });
      this.all = answer.runs.length ? answer.findings.map((kept) => kept.finding) : null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 404 || error.status === 403) {
        this.all = null;
        this.#asked = Infinity;
      }
    }
  }
}

export const findings = new Findings();
