import { describe, expect, it } from 'vitest';
import { ago, duration, figure, rate, ratio, size, UNKNOWN } from './format';

describe('figures', () => {
  it.each([
    [size(0), '0 B'],
    [size(1536), '1.5 KiB'],
    [size(2 ** 40 * 3), '3 TiB'],
    [rate(999), '999 B/s'],
    [ratio(0.12345), '12.3 %'],
    [duration(0.00012), '120 µs'],
    [duration(3 * 86_400), '3 d'],
    [figure(0.5, 'cores'), '0.50'],
    [figure(2048, 'bytes_per_second'), '2 KiB/s'],
    [ago(100, 100), 'just now'],
    [ago(100, 160), '60 s ago'],
    [ago(null, 160), 'never'],
  ])('%s', (shown, expected) => expect(shown).toBe(expected));

  it('leaves the unknown unknown', () => {
    for (const unit of ['bytes', 'ratio', 'cores', 'seconds', 'count', 'per_second']) {
      expect(figure(null, unit)).toBe(UNKNOWN);
    }
  });
});
