// What fires now, for every page; and what fired before, for the charts of one object.
import { get, Problem } from './api';
import { isAbout, stretches, type Alert, type Entry, type Stretch } from './alerting';

const EVERY_MS = 10_000;

class Alerts {
  /** Null: the server has none to tell, or they are not for us. */
  all = $state.raw<readonly Alert[] | null>(null);
  #asked = 0;

  /** Those that somebody should hear of: they fire, and nobody has silenced them. */
  get firing(): readonly Alert[] | null {
    return this.all?.filter((one) => one.state === 'firing' && !one.silenced) ?? null;
  }

  /** Asks again, if that is long enough ago. */
  async ask(): Promise<void> {
    if (Date.now() - this.#asked < EVERY_MS) return;
    this.#asked = Date.now();
    try {
      this.all = (await get<{ alerts: Alert[] }>('alerts')).alerts;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (error.status === 404 || error.status === 403) {
        this.all = null;
        this.#asked = Infinity;
      }
    }
  }
}

export const alerts = new Alerts();

/** The stretches of time in which the alerts of one domain, or of one host itself, fired. */
export class Fired {
  #entries = $state.raw<readonly Entry[]>([]);
  #id = $state('');

  get stretches(): Stretch[] {
    return stretches(this.#entries, alerts.all?.filter((one) => isAbout(one.subject, this.#id)) ?? []);
  }

  /** Asks for what happened in the last so many seconds. */
  async ask(id: string, seconds: number): Promise<void> {
    if (id !== this.#id) this.#entries = [];
    this.#id = id;
    if (!id || alerts.all === null) return;
    try {
      const found = await get<{ entries: Entry[] }>('alerts/history', {
        subject: id,
        since: -seconds,
        limit: 1000,
      });
      if (id === this.#id) this.#entries = found.entries;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }
}
