import { expect, test } from 'vitest';
import { providerAddress, reason } from './signin';

test('only the server’s own words are explained', () => {
  expect(reason(new URLSearchParams('signin=refused'))).toContain('Ask an admin');
  expect(reason(new URLSearchParams('signin=constructor'))).toBe('');
  expect(reason(new URLSearchParams('signin=<b>pay here</b>'))).toBe('');
  expect(reason(new URLSearchParams())).toBe('');
});

test('the provider leads back to where one was', () => {
  const address = providerAddress('/domains/a%2Fb', new URLSearchParams('range=1h&signin=refused'));
  expect(new URLSearchParams(address.split('?')[1]).get('next')).toBe('/domains/a%2Fb?range=1h');
});
