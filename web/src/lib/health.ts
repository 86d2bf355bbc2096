// How the server does, and its agents, as the API tells it.
import { get, Problem, send } from './api';
import type { StoreLevel } from './keeping';

export interface OwnFigure {
  name: string;
  help: string;
  label: string | null;
  value: number;
}

export interface HealthDetail {
  status: 'ok' | 'degraded' | 'failing';
  reasons: string[];
  at: number;
  started: number;
  version: string;
  figures: OwnFigure[];
  store: StoreLevel[];
}

export interface Agent {
  id: string;
  name: string;
  state: 'enrolled' | 'expired' | 'revoked';
  expires: number;
  version: string | null;
  status: {
    last_heard: number | null;
    lag_seconds: number | null;
    backlog_batches: number | null;
    backlog_bytes: number | null;
    clock_offset_seconds: number | null;
    version: string | null;
    dropped_batches: number | null;
    problem: string | null;
  } | null;
}

export interface Invitation {
  id: string;
  expires: number;
  command: string;
}

/** The agents; null where the server takes none, or where they are not for us to see. */
export async function agents(): Promise<Agent[] | null> {
  try {
    return (await get<{ agents: Agent[] }>('agents')).agents;
  } catch (error) {
    if (error instanceof Problem && (error.status === 403 || error.status === 404)) return null;
    throw error;
  }
}

export const invite = (): Promise<Invitation> => send('POST', 'enrolment-tokens', {});
export const revoke = (agent: Agent): Promise<void> => send('DELETE', `agents/${agent.id}`);

/** A word for how an agent does, and whether that is good. */
export function condition(
  agent: Agent,
  now: number,
): { word: string; tone: 'good' | 'warn' | 'bad' | 'idle' } {
  const { status } = agent;
  if (agent.state !== 'enrolled') return { word: agent.state, tone: 'idle' };
  if (!status?.last_heard) return { word: 'nothing heard yet', tone: 'warn' };
  if (now - status.last_heard > 90) return { word: 'silent', tone: 'bad' };
  if (status.problem) return { word: 'refused', tone: 'bad' };
  if ((status.backlog_batches ?? 0) > 0) return { word: 'catching up', tone: 'warn' };
  return { word: 'delivers', tone: 'good' };
}
