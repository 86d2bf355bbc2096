import { afterEach, expect, it, vi } from 'vitest';
import { address, get, Problem } from './api';

afterEach(() => vi.unstubAllGlobals());

it('repeats a parameter for each of its values, and leaves the undefined out', () => {
  expect(address('series', { quantity: ['a', 'b'], object: 'x/y', end: undefined })).toBe(
    '/api/v1/series?quantity=a&quantity=b&object=x%2Fy',
  );
});

it('tells a problem in the words of the server', async () => {
  const body = JSON.stringify({ detail: "no domain 'x'", hint: 'list them' });
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(body, { status: 404 })));
  await expect(get('domains/x')).rejects.toEqual(new Problem("no domain 'x'", 'list them', 404));
});

it('tells when nobody answers', async () => {
  vi.stubGlobal('fetch', () => Promise.reject(new TypeError('refused')));
  await expect(get('info')).rejects.toThrow('the server does not answer');
});
