// Where we are: the path and its parameters, kept in the address so that every view can be sent to somebody.

class Router {
  path = $state(location.pathname);
  query = $state(new URLSearchParams(location.search));

  constructor() {
    addEventListener('popstate', () => this.#read());
  }

  go(to: string): void {
    history.pushState(null, '', to);
    this.#read();
    scrollTo(0, 0);
  }

  /** Changes one parameter without a new entry in the history. */
  set(name: string, value: string): void {
    this.merge({ [name]: value });
  }

  /** Changes parameters; an empty one is left out. A step that people want to take back gets an entry of its own. */
  merge(changes: Record<string, string>, step = false): void {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) {
      if (value) query.set(name, value);
      else query.delete(name);
    }
    const text = query.toString();
    const to = `${location.pathname}${text ? `?${text}` : ''}`;
    if (step) history.pushState(null, '', to);
    else history.replaceState(null, '', to);
    this.#read();
  }

  #read(): void {
    this.path = location.pathname;
    this.query = new URLSearchParams(location.search);
  }
}

export const router = new Router();

/** For a click handler around everything: follows links of our own without loading the page anew. */
export function follow(event: MouseEvent): void {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  if (!link || event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || link.origin !== location.origin || link.target)
    return;
  if (link.pathname.startsWith('/api/')) return;
  event.preventDefault();
  router.go(link.pathname + link.search);
}

/** The parts of a path: '/domains/a%2Fb' is ['domains', 'a/b']. */
export function parts(path: string): string[] {
  return path
    .split('/')
    .filter(Boolean)
    .map((part) => decodeURIComponent(part));
}
