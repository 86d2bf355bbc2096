// Alerts as the API tells them, and the stretches of time in which they fired.

export interface Subject {
  kind: string;
  id: string;
  name: string;
  host: string;
  host_name: string;
  domain: string;
}
export interface Alert {
  rule: string;
  severity: string;
  state: 'pending' | 'firing' | 'unknown';
  subject: Subject;
  since: number;
  fired: number | null;
  shown: string;
  condition: string;
  text: string;
  silenced: boolean;
}
/** Something that happened to an alert. */
export interface Entry {
  at: number;
  what: string;
  rule: string;
  severity: string;
  subject: Subject;
  since: number;
  note: string;
}

/** A stretch of time that is marked on charts. */
export interface Stretch {
  from: number;
  /** Infinity: it goes on. */
  to: number;
  text: string;
  tone: 'bad' | 'warn' | 'accent';
}

/** Whether an alert is about a domain (or one of its parts), or about a host itself: not about its domains. */
export function isAbout(subject: Subject, id: string): boolean {
  return id !== '' && (subject.domain || subject.host) === id;
}

const tone = (severity: string): Stretch['tone'] =>
  severity === 'critical' ? 'bad' : severity === 'warning' ? 'warn' : 'accent';

/** When what it speaks of was so: of alerts that are over, out of what happened; and of those that fire now. */
export function stretches(entries: readonly Entry[], now: readonly Alert[]): Stretch[] {
  const text = (rule: string, subject: Subject): string =>
    subject.kind === 'domains' || subject.kind === 'hosts' ? rule : `${rule}: ${subject.name}`;
  const over = entries
    .filter((one) => one.what !== 'fired')
    .map((one) => ({
      from: one.since,
      to: one.at,
      text: text(one.rule, one.subject),
      tone: tone(one.severity),
    }));
  const open = now
    .filter((one) => one.state !== 'pending')
    .map((one) => ({
      from: one.since,
      to: Infinity,
      text: text(one.rule, one.subject),
      tone: tone(one.severity),
    }));
  return [...over, ...open].sort((a, b) => a.from - b.from);
}
