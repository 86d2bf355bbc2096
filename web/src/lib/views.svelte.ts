// Views of tables that somebody keeps, by name, in his browser.

export interface View {
  name: string;
  /** Path and parameters. */
  to: string;
}
const KEY = 'virtscope.views';

function kept(): View[] {
  try {
    const found = JSON.parse(localStorage.getItem(KEY) ?? '[]') as unknown;
    if (!Array.isArray(found)) return [];
    return (found as Partial<View>[]).filter(
      (one): one is View =>
        typeof one?.name === 'string' && typeof one.to === 'string' && /^\/\w/.test(one.to),
    );
  } catch {
    return [];
  }
}

class Views {
  all = $state<View[]>(kept());

  save(name: string, to: string): void {
    this.#keep([...this.all.filter((one) => one.name !== name), { name, to }]);
  }

  forget(name: string): void {
    this.#keep(this.all.filter((one) => one.name !== name));
  }

  #keep(views: View[]): void {
    this.all = views.sort((a, b) => a.name.localeCompare(b.name));
    localStorage.setItem(KEY, JSON.stringify(this.all));
  }
}

export const views = new Views();
