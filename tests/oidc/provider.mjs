// A certified OpenID Connect provider for the tests: `node provider.mjs REDIRECT_URI [NAME]` prints its issuer,
// under the name that the host is called by.
// Whoever signs in as "forged-…" gets an ID token that is wrong in that one way, and right in every other.
import { createServer } from 'node:http';
import { calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { Provider } from 'oidc-provider';

const [redirectUri, name = '127.0.0.1'] = process.argv.slice(2);
const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const { privateKey: anothers } = await generateKeyPair('RS256');
const jwk = await exportJWK(privateKey);
const kid = await calculateJwkThumbprint(jwk);

const GROUPS = { ana: ['admins'], otto: ['operators', 'acme'], vera: ['viewers', 'acme'], nobody: [] };
const account = (sub) => ({
  accountId: sub,
  claims: async () => ({
    sub,
    email: sub === 'unverified' ? 'ana@example.org' : `${sub}@example.org`,
    email_verified: sub !== 'unverified',
    groups: GROUPS[sub] ?? ['viewers'],
  }),
});

const right = (claims) =>
  new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid }).sign(privateKey);
const FORGERIES = {
  'forged-nonce': (claims) => right({ ...claims, nonce: 'another' }),
  'forged-no-nonce': ({ nonce: _, ...claims }) => right(claims),
  'forged-audience': (claims) => right({ ...claims, aud: 'another-client' }),
  'forged-audiences': (claims) => right({ ...claims, aud: ['virtscope', 'another'], azp: 'another' }),
  'forged-issuer': (claims) => right({ ...claims, iss: 'https://evil.example' }),
  'forged-expired': (claims) => right({ ...claims, iat: claims.iat - 7200, exp: claims.iat - 3600 }),
  'forged-hash': (claims) => right({ ...claims, at_hash: 'AAAAAAAAAAAAAAAAAAAAAA' }),
  'forged-key': (claims) => new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid }).sign(anothers),
  'forged-secret': (claims) =>
    new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode('s'.repeat(43))),
  'forged-unsigned': (claims) => new UnsecuredJWT(claims).encode(),
};

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://${name}:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: 'virtscope',
        client_secret: 's'.repeat(43),
        redirect_uris: [redirectUri],
        response_types: ['code'],
        grant_types: ['authorization_code'],
      },
    ],
    jwks: { keys: [{ ...jwk, kid, alg: 'RS256', use: 'sig' }] },
    cookies: { keys: ['of the tests'] },
    claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'], profile: [] },
    pkce: { required: () => true },
    findAccount: (_context, sub) => account(sub),
  });
  provider.use(async (context, next) => {
    await next();
    const token = context.path === '/token' ? context.body?.id_token : undefined;
    if (!token) return;
    const claims = decodeJwt(token);
    const forge = FORGERIES[claims.sub];
    if (forge) context.body = { ...context.body, id_token: await forge(claims) };
  });
  server.on('request', provider.callback());
  console.log(issuer);
});
