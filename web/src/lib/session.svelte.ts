// Who is signed in. The browser keeps the session's cookie, which no script can read; this is what the server tells.
import { get, Problem, send, SIGNED_OUT } from './api';

export interface Session {
  user: string | null;
  role: 'viewer' | 'operator' | 'admin' | null;
  projects: string[] | null;
  login: boolean;
  password: boolean;
  bootstrap: boolean;
  oidc: string | null;
}

const AGAIN_MS = 3000;

class SessionState {
  told = $state.raw<Session | null>(null);
  problem = $state<Problem | null>(null);

  constructor() {
    addEventListener(SIGNED_OUT, () => void this.ask());
  }

  /** Whether the page may ask for anything: somebody is signed in, or nobody has to be. */
  get isOpen(): boolean {
    return this.told !== null && (!this.told.login || this.told.user !== null);
  }

  /** Asks the server who we are, until it answers. */
  async ask(): Promise<void> {
    try {
      this.told = await get<Session>('session');
      this.problem = null;
    } catch (error) {
      if (error instanceof Problem) this.problem = error;
      setTimeout(() => void this.ask(), AGAIN_MS);
    }
  }

  /** Throws a Problem where name and password do not fit. */
  async signIn(name: string, password: string): Promise<void> {
    this.told = await send<Session>('POST', 'session', { name, password });
  }

  /** Makes the first admin. Throws a Problem where the secret is wrong, or name and password cannot be. */
  async begin(secret: string, name: string, password: string): Promise<void> {
    this.told = await send<Session>('POST', 'bootstrap', { secret, name, password });
  }

  async signOut(): Promise<void> {
    await send('DELETE', 'session');
    await this.ask();
  }
}

export const session = new SessionState();
