// The analyses that the server can run, and what they answer, as the API tells it.
import type { Finding } from './findings.svelte';

export interface Analysis {
  name: string;
  title: string;
  help: string;
  method: string;
  settings: { name: string; default: string; bounds: string; help: string }[];
}

export interface Result {
  analysis: string;
  title: string;
  start: number;
  end: number;
  seconds: number;
  settings: Record<string, string>;
  verdicts: Record<string, number>;
  findings: Finding[];
}

/** Settings, as `name=value`, that are other than the analysis has them. */
export function changed(analysis: Analysis, given: Record<string, string>): string[] {
  return analysis.settings
    .filter(
      (one) => given[one.name] !== undefined && given[one.name] !== '' && given[one.name] !== one.default,
    )
    .map((one) => `${one.name}=${given[one.name]}`);
}
