import { expect, test } from 'vitest';
import { isAbout, stretches, type Alert, type Entry, type Subject } from './alerting';

const subject = (more: Partial<Subject>): Subject => ({
  kind: 'domains',
  id: 'd',
  name: 'web',
  host: 'h',
  host_name: 'kvm1',
  domain: 'd',
  ...more,
});
const entry = (more: Partial<Entry>): Entry => ({
  at: 60,
  what: 'resolved',
  rule: 'steal',
  severity: 'warning',
  subject: subject({}),
  since: 20,
  note: '',
  ...more,
});
const alert = (more: Partial<Alert>): Alert => ({
  rule: 'slow',
  severity: 'critical',
  state: 'firing',
  subject: subject({ kind: 'disks', name: 'web vda' }),
  since: 70,
  fired: 80,
  shown: '',
  condition: '',
  text: '',
  silenced: false,
  ...more,
});

test('an alert that is over lasted from its beginning; one that fires goes on; one that is pending is none', () => {
  const entries = [entry({}), entry({ what: 'fired', at: 30 }), entry({ what: 'gone', since: 5, at: 9 })];
  expect(stretches(entries, [alert({}), alert({ state: 'pending' })])).toEqual([
    { from: 5, to: 9, text: 'steal', tone: 'warn' },
    { from: 20, to: 60, text: 'steal', tone: 'warn' },
    { from: 70, to: Infinity, text: 'slow: web vda', tone: 'bad' },
  ]);
});

test("a domain's alerts are not its host's", () => {
  expect(isAbout(subject({}), 'd')).toBe(true);
  expect(isAbout(subject({}), 'h')).toBe(false);
  expect(isAbout(subject({ kind: 'hosts', domain: '' }), 'h')).toBe(true);
  expect(isAbout(subject({ host: '', domain: '' }), '')).toBe(false);
});
