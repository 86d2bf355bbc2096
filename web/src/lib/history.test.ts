import { expect, it } from 'vitest';
import { History } from './history';

it('begins with what the server remembers and goes on by steps', () => {
  const history = new History(3, 10);
  history.fill('a', [1, 2, 3, 4], 100);
  expect(history.of('a')).toEqual([2, 3, 4]);
  history.add(102, [['a', 9]]);
  expect(history.of('a')).toEqual([2, 3, 4]);
  history.add(110, [['a', 5]]);
  expect(history.of('a')).toEqual([3, 4, 5]);
});

it('forgets who is gone', () => {
  const history = new History(3, 10);
  history.add(10, [['a', 1]]);
  history.add(20, [['b', null]]);
  expect(history.of('a')).toEqual([]);
  expect(history.of('b')).toEqual([null]);
});
