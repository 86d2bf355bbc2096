import { expect, it } from 'vitest';
import { csv } from './download';

it('quotes what needs it, leaves the unknown empty, and disarms formulas', () => {
  expect(
    csv(
      ['a', 'b'],
      [
        ['x,"y"', null],
        ['=1+1', -2.5],
      ],
    ),
  ).toBe('a,b\r\n"x,""y""",\r\n\'=1+1,-2.5\r\n');
});
