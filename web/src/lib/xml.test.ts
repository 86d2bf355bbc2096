import { expect, it } from 'vitest';
import { differences } from './xml';

it('shows what differs, and a few lines around it', () => {
  const before = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].join('\n');
  const after = ['a', 'b', 'c', 'd', 'e', 'F', 'g'].join('\n');
  expect(differences(before, after).map((line) => line.kind + line.text)).toEqual([
    '…2',
    ' c',
    ' d',
    ' e',
    '-f',
    '+F',
    ' g',
  ]);
  expect(differences('a\n', 'a\n')).toEqual([{ kind: ' ', text: 'a' }]);
});
