import { expect, test } from 'vitest';
import { condition, type Agent } from './health';

const agent = (
  status: Partial<NonNullable<Agent['status']>> | null,
  state: Agent['state'] = 'enrolled',
): Agent => ({
  id: 'a',
  name: 'kvm1',
  state,
  expires: 2e9,
  version: null,
  status: status && {
    last_heard: 1000,
    lag_seconds: 1,
    backlog_batches: 0,
    backlog_bytes: 0,
    clock_offset_seconds: 0,
    version: '1',
    dropped_batches: 0,
    problem: null,
    ...status,
  },
});

test('an agent is what it does', () => {
  expect(condition(agent({}), 1010).word).toBe('delivers');
  expect(condition(agent({}), 1091).word).toBe('silent');
  expect(condition(agent({ backlog_batches: 2 }), 1010).word).toBe('catching up');
  expect(condition(agent({ problem: 'why' }), 1010).word).toBe('refused');
  expect(condition(agent(null), 1010).word).toBe('nothing heard yet');
  expect(condition(agent({}, 'revoked'), 1010).word).toBe('revoked');
});
