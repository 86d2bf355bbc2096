// Light, dark, or as the system has it.

export type Theme = 'auto' | 'light' | 'dark';
const KEY = 'virtscope.theme';

function kept(): Theme {
  const found = localStorage.getItem(KEY);
  return found === 'light' || found === 'dark' ? found : 'auto';
}

class Themes {
  theme = $state<Theme>(kept());

  constructor() {
    this.#apply();
  }

  next(): void {
    this.theme = this.theme === 'auto' ? 'dark' : this.theme === 'dark' ? 'light' : 'auto';
    localStorage.setItem(KEY, this.theme);
    this.#apply();
  }

  #apply(): void {
    if (this.theme === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = this.theme;
  }
}

export const themes = new Themes();
