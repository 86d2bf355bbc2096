// The fleet as it is now: asked for at the start and again whenever the server says that there is something new.
import {
  get,
  Problem,
  type Domain,
  type Happening,
  type Host,
  type Info,
  type Quantity,
  type Series,
} from './api';
import { History } from './history';

const SPARK_POINTS = 60;
const AGAIN_MS = 3000;
const MOST_HAPPENINGS = 200;
const MOST_REMEMBERED = 2000;
/** Of the time, the share that taking in the whole fleet may cost: a large one is asked for less often. */
const SHARE = 0.05;

class Fleet {
  info = $state.raw<Info | null>(null);
  hosts = $state.raw<Host[]>([]);
  domains = $state.raw<Domain[]>([]);
  happenings = $state.raw<Happening[]>([]);
  quantities = $state.raw(new Map<string, Quantity>());
  /** When the figures were stored, Unix seconds. */
  at = $state(0);
  now = $state(Date.now() / 1000);
  state = $state<'connecting' | 'live' | 'away'>('connecting');
  problem = $state<Problem | null>(null);
  /** Grows with every refresh: what depends on history reads it. */
  tick = $state(0);
  cpu = new History(SPARK_POINTS, 5);

  #source: EventSource | null = null;
  #busy = false;
  #again = false;
  #due = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Counts starts and stops: what an earlier start still waits for is not of interest any more. */
  #run = 0;

  constructor() {
    setInterval(() => (this.now = Date.now() / 1000), 1000);
  }

  start(): void {
    this.#run += 1;
    this.state = 'connecting';
    void this.#connect(this.#run);
  }

  /** Ends what goes on, and forgets what was shown: the next one may not see it. */
  stop(): void {
    this.#run += 1;
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
    this.info = this.problem = null;
    this.hosts = [];
    this.domains = [];
    this.happenings = [];
    this.at = 0;
    this.state = 'connecting';
  }

  quantity(scope: string, name: string): Quantity | undefined {
    return this.quantities.get(`${scope}/${name}`);
  }

  async #connect(run: number): Promise<void> {
    if (run !== this.#run) return;
    try {
      await this.#begin(run);
    } catch (error) {
      if (run !== this.#run) return;
      this.#away(error);
      setTimeout(() => void this.#connect(run), AGAIN_MS);
      return;
    }
    if (run !== this.#run) return;
    this.#source = new EventSource('/api/v1/live');
    this.#source.addEventListener('tick', () => this.#told(run));
    this.#source.addEventListener('event', (message) => this.#happened(message));
    this.#source.addEventListener('error', () => {
      this.#source?.close();
      this.#away(null);
      setTimeout(() => void this.#connect(run), AGAIN_MS);
    });
  }

  async #begin(run: number): Promise<void> {
    const first = this.#fetch();
    first.catch(() => undefined); // it is asked about below, if the others have come
    const [info, quantities, events] = await Promise.all([
      get<Info>('info'),
      get<Quantity[]>('quantities'),
      get<{ events: Happening[] }>('events', { limit: MOST_HAPPENINGS }),
    ]);
    if (run !== this.#run) return;
    this.info = info;
    this.quantities = new Map(quantities.map((quantity) => [`${quantity.scope}/${quantity.name}`, quantity]));
    this.happenings = events.events;
    this.cpu = new History(SPARK_POINTS, Math.max(5, 2 * info.interval));
    await this.#refresh(first);
    if (this.problem) throw this.problem;
    // A fleet too large for its past at once has sparklines that begin now.
    if (this.domains.length <= MOST_REMEMBERED) void this.#remember(run);
  }

  /** The last minutes, as the server has them. */
  async #remember(run: number): Promise<void> {
    const { step } = this.cpu;
    try {
      const past = await get<Series>('series', {
        scope: 'domain',
        quantity: 'cpu_ratio',
        start: -step * SPARK_POINTS,
        step,
      });
      if (run !== this.#run) return;
      // The step that is not over yet has a value of its own when it is.
      for (const one of past.series) {
        this.cpu.fill(String(one.object.domain), one.points.slice(0, -1), past.end - step);
      }
      this.tick += 1;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
    }
  }

  /** There is something new: it is asked for at once, or when the last answer was worth its cost. */
  #told(run: number): void {
    clearTimeout(this.#timer);
    const wait = this.#due - performance.now();
    if (wait <= 0) void this.#refresh();
    else this.#timer = setTimeout(() => run === this.#run && void this.#refresh(), wait);
  }

  #fetch(): Promise<[{ hosts: Host[] }, { at: number; domains: Domain[] }]> {
    return Promise.all([get<{ hosts: Host[] }>('hosts'), get<{ at: number; domains: Domain[] }>('domains')]);
  }

  async #refresh(first = this.#busy ? null : this.#fetch()): Promise<void> {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    const run = this.#run;
    const began = performance.now();
    try {
      const [hosts, domains] = await (first ?? this.#fetch());
      if (run !== this.#run) return;
      this.hosts = hosts.hosts;
      this.domains = domains.domains;
      this.at = domains.at;
      this.cpu.add(
        domains.at,
        domains.domains.map((domain) => [
          domain.id,
          domain.stale ? null : (domain.figures['cpu_ratio'] ?? null),
        ]),
      );
      this.tick += 1;
      this.state = 'live';
      this.problem = null;
    } catch (error) {
      if (run === this.#run) this.#away(error);
    } finally {
      this.#busy = false;
      const ended = performance.now();
      this.#due = ended + (ended - began) / SHARE - 1000;
      if (this.#again) {
        this.#again = false;
        this.#told(run);
      }
    }
  }

  #happened(message: MessageEvent<string>): void {
    const happening = JSON.parse(message.data) as Happening;
    this.happenings = [happening, ...this.happenings].slice(0, MOST_HAPPENINGS);
  }

  #away(error: unknown): void {
    this.state = 'away';
    if (error instanceof Problem) this.problem = error;
  }
}

export const fleet = new Fleet();
