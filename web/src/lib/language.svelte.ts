// The words of the page: English is in the code, where it is read; other languages are tables from it.
import { ZH } from './zh';

export type Language = 'en' | 'zh';
const KEY = 'virtscope.language';
const TABLES: Record<Language, Readonly<Record<string, string>>> = { en: {}, zh: ZH };

function preferred(): Language {
  const kept = localStorage.getItem(KEY);
  if (kept === 'en' || kept === 'zh') return kept;
  return navigator.language.startsWith('zh') ? 'zh' : 'en';
}

class Languages {
  language = $state<Language>(preferred());

  constructor() {
    document.documentElement.lang = this.language;
  }

  next(): void {
    this.language = this.language === 'en' ? 'zh' : 'en';
    localStorage.setItem(KEY, this.language);
    document.documentElement.lang = this.language;
  }
}

export const languages = new Languages();

/** A text in the chosen language, `{name}` replaced; English where the table does not have it. */
export function t(text: string, values: Readonly<Record<string, string | number>> = {}): string {
  const found = TABLES[languages.language][text] ?? text;
  return found.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}
