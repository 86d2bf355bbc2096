// What kinds of events there are, to the eye: a sign and a colour for each.
import type { Happening } from './api';

/** Something that happened, marked on charts at its time. */
export interface Mark {
  at: number;
  text: string;
  tone: 'bad' | 'warn' | 'accent';
}

export interface Sign {
  sign: string;
  tone: 'good' | 'warn' | 'bad' | 'accent';
}

export function markOf(kind: string): Sign {
  if (/crash|down|fail|error|silent|lost|does not answer/.test(kind)) return { sign: '✖', tone: 'bad' };
  if (/chang|added|removed|defined|device/.test(kind)) return { sign: '◆', tone: 'accent' };
  if (/start|up|back|resum|answers/.test(kind)) return { sign: '●', tone: 'good' };
  return { sign: '▲', tone: 'warn' };
}

/** Events as marks on charts. */
export function marks(happenings: readonly Happening[]): Mark[] {
  return happenings.map((event) => {
    const { tone } = markOf(event.kind);
    return {
      at: event.at,
      text: `${event.kind} ${event.detail}`.trim(),
      tone: tone === 'good' ? 'accent' : tone,
    };
  });
}
