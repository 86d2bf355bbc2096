// Two versions of a document, line by line.
import { diffLines } from 'diff';

export interface Line {
  kind: '+' | '-' | ' ' | '…';
  text: string;
}
const AROUND = 3;

/** What differs, with a few lines around; long equal parts become one line that counts them. */
export function differences(before: string, after: string): Line[] {
  const lines: Line[] = [];
  const parts = diffLines(before, after);
  parts.forEach((part, at) => {
    const texts = part.value.replace(/\n$/, '').split('\n');
    if (part.added || part.removed) {
      lines.push(...texts.map((text): Line => ({ kind: part.added ? '+' : '-', text })));
      return;
    }
    const head = at === 0 ? 0 : AROUND;
    const tail = at === parts.length - 1 ? 0 : AROUND;
    const kept = (text: string): Line => ({ kind: ' ', text });
    if (texts.length <= head + tail + 1) lines.push(...texts.map(kept));
    else
      lines.push(
        ...texts.slice(0, head).map(kept),
        { kind: '…', text: String(texts.length - head - tail) },
        ...texts.slice(texts.length - tail).map(kept),
      );
  });
  return lines;
}
