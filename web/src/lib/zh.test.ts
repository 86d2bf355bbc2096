/// <reference types="node" />
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ZH } from './zh';

const SOURCES = join(import.meta.dirname, '..');
/** Texts that are words of the page: given to t() as they stand, or as what a table of the code is called. */
const WORDS = [
  /\bt\(\s*(?:'((?:[^'\\]|\\.)*)'|"([^"]*)")/g,
  /\b(?:title|help): '([A-Z][^']*)'/g,
  /\bof\((?:'(?:domain|vcpu|disk|nic)', )?'([A-Z][^']*)'/g,
];

test('every word of the page is there in Chinese', () => {
  const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf-8' });
  const missing = files
    .filter((name) => /\.(svelte|ts)$/.test(name) && !/\.test\.ts$|zh\.ts$/.test(name))
    .flatMap((name) => {
      const text = readFileSync(join(SOURCES, name), 'utf-8');
      const found = WORDS.flatMap((pattern) =>
        [...text.matchAll(pattern)].map((one) => one[1] ?? one[2] ?? ''),
      );
      return found.filter((word) => !(word in ZH)).map((word) => `${name}: ${word}`);
    });
  expect(missing).toEqual([]);
});
