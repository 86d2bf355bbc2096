// One answer of the API that a page shows, asked for again when something changes.
import { get, Problem, type Parameters } from './api';

export class Load<T> {
  found = $state.raw<T | null>(null);
  problem = $state.raw<Problem | null>(null);
  #asked = '';

  /** Asks; what belongs to another address is forgotten at once. */
  async ask(path: string, parameters: Parameters = {}): Promise<void> {
    const address = path + JSON.stringify(parameters);
    if (address !== this.#asked) this.found = this.problem = null;
    this.#asked = address;
    try {
      const answer = await get<T>(path, parameters);
      if (address !== this.#asked) return;
      this.found = answer;
      this.problem = null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (address === this.#asked) this.problem = error;
    }
  }
}
