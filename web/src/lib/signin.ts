// What signing in needs to know of the page's address.

/** Why signing in at the provider did not work, by the word that the server leads back with. */
const REASONS: Record<string, string> = {
  refused: 'The provider did not vouch for you, or nothing it says of you brings a role here. Ask an admin.',
  provider: 'The provider does not answer. Try again later, or sign in with a password.',
  settings: 'The provider is not set up as it should be. Ask an admin.',
};

/** The sentence for the word `signin` in the address; anything else in it is nobody's word. */
export function reason(query: URLSearchParams): string {
  const word = query.get('signin') ?? '';
  return Object.hasOwn(REASONS, word) ? (REASONS[word] ?? '') : '';
}

/** Where the provider's sign-in begins, so that it comes back to this path of the page. */
export function providerAddress(path: string, query: URLSearchParams): string {
  const rest = new URLSearchParams(query);
  rest.delete('signin');
  const text = rest.toString();
  return `/api/v1/oidc/start?${new URLSearchParams({ next: text ? `${path}?${text}` : path }).toString()}`;
}

/** What the server says, as a sentence. */
export function sentence(words: string): string {
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;
}
