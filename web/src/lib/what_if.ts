// The words of the analysis "plan": what it is asked, and what its answers say of hosts.
import type { Domain } from './api';
import type { Finding } from './findings.svelte';

/** Names of hosts as the setting has them, with commas or spaces between. */
export function dying(setting: string): string[] {
  return setting.split(/[\s,]+/).filter(Boolean);
}

export interface Flavour {
  /** As the settings have it: MiB and vCPUs. */
  key: string;
  memory: number;
  vcpus: number;
  /** How many domains have it. */
  count: number;
}
const MOST = 8;
const MIB = 2 ** 20;

/** The sizes that most domains have. */
export function flavours(domains: readonly Domain[]): Flavour[] {
  const found = new Map<string, Flavour>();
  for (const { figures } of domains) {
    const { memory_maximum: memory, vcpus } = figures;
    if (!memory || !vcpus) continue;
    const key = `${Math.round(memory / MIB)}M ${vcpus}`;
    const known = found.get(key);
    if (known) known.count += 1;
    else found.set(key, { key, memory, vcpus, count: 1 });
  }
  return [...found.values()].sort((a, b) => b.count - a.count).slice(0, MOST);
}

/** How many new domains each host would take, as the notes of an answer tell: "3 on kvm1". The most first. */
export function placed(finding: Finding): { host: string; number: number }[] {
  return finding.evidence.notes
    .flatMap((note) => {
      const [, number, host] = /^(\d+) on (.+)$/s.exec(note) ?? [];
      return number !== undefined && host !== undefined ? [{ host, number: Number(number) }] : [];
    })
    .sort((a, b) => b.number - a.number);
}
