"""Sign-in with an OpenID Connect provider: the authorization code flow with PKCE, state and nonce."""

from __future__ import annotations

import secrets
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from cryptography.fernet import Fernet, InvalidToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from virtscope.errors import BadInput, NotAllowed, ServerError
from virtscope.server.access.claims import identity
from virtscope.server.access.settings import LOOPBACK, OidcSettings
from virtscope.server.access.users import Identity

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
"""How an identity may be signed: by the provider's own key, never by a secret that is shared, never not at all."""
FLOW_SECONDS = 600
"""How long somebody may take at the provider."""
KEPT_SECONDS = 3600.0
"""How long the provider's description is kept."""
KEYS_AGAIN_SECONDS = 60.0
"""The keys are asked for again, when one is not known, but not more often than that."""
TIMEOUT_SECONDS = 10.0
LEEWAY_SECONDS = 30
"""How far the provider's clock may be off."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One sign-in on its way. The browser keeps it, sealed, while it is at the provider."""

    state: str
    nonce: str
    verifier: str
    next: str
    """The path of the page to go on to."""


@dataclass(frozen=True, slots=True)
class _Endpoints:
    authorization: str
    token: str
    userinfo: str | None
    keys: str
    names_itself: bool
    """Whether its answers name it (RFC 9207), so that one provider's cannot be taken for another's."""


class Provider:
    """The provider of the settings. What it says of itself is asked for when it is needed, and kept for a while."""

    def __init__(self, settings: OidcSettings) -> None:
        """Take the settings; nothing is asked yet.

        Raises:
            BadInput: the issuer is no https address, or a file cannot be read.
        """
        self.settings = settings
        _check(settings.issuer, "the issuer")
        try:
            file = settings.client_secret_file
            self._secret = file.read_text().strip() if file else None
            self._tls = ssl.create_default_context(cafile=settings.ca)
        except OSError as error:
            raise BadInput(
                f"cannot read {error.filename or settings.ca}: {error.strerror}", "Look at the settings of oidc."
            ) from None
        self._seal = Fernet(Fernet.generate_key())
        self._endpoints: tuple[float, _Endpoints] | None = None
        self._keys: tuple[float, KeySet] | None = None

    async def start(self, callback: str, onward: str) -> tuple[str, str]:
        """Where to send the browser, and the sealed flow for it to keep; ServerError where the provider is silent."""
        endpoints = await self._described()
        flow = Flow(secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48), onward)
        async with self._client(callback) as client:
            address, _ = client.create_authorization_url(
                endpoints.authorization, state=flow.state, code_verifier=flow.verifier, nonce=flow.nonce
            )
        return str(address), self._seal.encrypt(msgspec.json.encode(flow)).decode()

    def opened(self, sealed: str) -> Flow:
        """The flow that a browser kept; NotAllowed where it took too long, or the flow is not ours."""
        try:
            return msgspec.json.decode(self._seal.decrypt(sealed.encode(), ttl=FLOW_SECONDS), type=Flow)
        except (InvalidToken, msgspec.MsgspecError, UnicodeError):
            raise NotAllowed("this sign-in took too long, or began elsewhere", "Sign in again.") from None

    async def finish(self, flow: Flow, callback: str, answer: Mapping[str, str]) -> Identity:
        """Who came back from the provider with this answer (the callback's query).

        Raises:
            NotAllowed: the answer is not of this flow, the provider refuses, or the claims bring no role.
            ServerError: the provider does not answer.
        """
        endpoints = await self._described()
        named = answer.get("iss")
        if not secrets.compare_digest(answer.get("state", "").encode(), flow.state.encode()):
            raise NotAllowed("the answer is of another sign-in", "Sign in again.")
        if named != self.settings.issuer and (named is not None or endpoints.names_itself):
            raise NotAllowed("the answer is of another provider", "Sign in again.")
        if "code" not in answer:
            raise NotAllowed(f"the provider refused: {answer.get('error', 'no reason')[:100]!r}", "Sign in again.")
        try:
            async with self._client(callback) as client:
                token = await client.fetch_token(endpoints.token, code=answer["code"], code_verifier=flow.verifier)
                claims = await self._verified(endpoints, token, flow.nonce)
                if endpoints.userinfo and not {self.settings.claim, "email"} <= claims.keys():
                    claims |= await self._more(client, endpoints.userinfo, claims)
        except (AuthlibBaseError, JoseError) as error:
            raise NotAllowed(f"the provider's answer is not valid: {error}", "Sign in again.") from None
        except (httpx2.HTTPError, ValueError) as error:
            raise self._silent(error) from None
        return identity(claims, self.settings)

    async def _verified(self, endpoints: _Endpoints, token: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """The claims of the ID token, once everything that OpenID Connect wants is true of it."""
        text = str(token.get("id_token", ""))
        try:
            decoded = jwt.decode(text, await self._key_set(endpoints, KEPT_SECONDS), ALGORITHMS)
        except (JoseError, ValueError):
            # The key may be newer than what we know of the keys.
            decoded = jwt.decode(text, await self._key_set(endpoints, KEYS_AGAIN_SECONDS), ALGORITHMS)
        options = {
            "iss": {"essential": True, "value": self.settings.issuer},
            "aud": {"essential": True, "value": self.settings.client_id},
            "nonce": {"essential": True, "value": nonce},
        }
        parameters = {
            "nonce": nonce,
            "client_id": self.settings.client_id,
            "access_token": token.get("access_token"),
        }
        claims = CodeIDToken(decoded.claims, decoded.header, options, parameters)
        claims.validate(leeway=LEEWAY_SECONDS)
        return dict(claims)

    async def _more(self, client: Any, address: str, claims: Mapping[str, Any]) -> dict[str, Any]:
        """What the provider tells of somebody only when asked for it."""
        answer = await client.get(address)
        answer.raise_for_status()
        told = answer.json()
        if not isinstance(told, dict) or told.get("sub") != claims["sub"]:
            raise NotAllowed("the provider tells of somebody else", "Sign in again.")
        return {name: value for name, value in told.items() if name not in claims}

    async def _described(self) -> _Endpoints:
        if self._endpoints and time.monotonic() - self._endpoints[0] < KEPT_SECONDS:
            return self._endpoints[1]
        address = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            async with self._http() as client:
                answer = (await client.get(address)).raise_for_status().json()
            if answer["issuer"] != self.settings.issuer:
                raise BadInput(f"{address} tells of {answer['issuer']!r}", "The issuer must be written exactly so.")
            found = _Endpoints(
                authorization=_check(answer["authorization_endpoint"], "the authorization endpoint"),
                token=_check(answer["token_endpoint"], "the token endpoint"),
                userinfo=_check(answer["userinfo_endpoint"], "userinfo") if "userinfo_endpoint" in answer else None,
                keys=_check(answer["jwks_uri"], "the keys"),
                names_itself=bool(answer.get("authorization_response_iss_parameter_supported")),
            )
        except (httpx2.HTTPError, ValueError, KeyError, TypeError) as error:
            raise self._silent(error) from None
        self._endpoints = (time.monotonic(), found)
        return found

    async def _key_set(self, endpoints: _Endpoints, age: float) -> KeySet:
        if self._keys and time.monotonic() - self._keys[0] < age:
            return self._keys[1]
        async with self._http() as client:
            answer = (await client.get(endpoints.keys)).raise_for_status().json()
        self._keys = (time.monotonic(), KeySet.import_key_set(answer))
        return self._keys[1]

    def _client(self, callback: str) -> Any:
        return AsyncOAuth2Client(
            self.settings.client_id,
            self._secret,
            scope=" ".join(self.settings.scopes),
            redirect_uri=callback,
            code_challenge_method="S256",
            verify=self._tls,
            timeout=TIMEOUT_SECONDS,
        )

    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(verify=self._tls, timeout=TIMEOUT_SECONDS)

    def _silent(self, error: Exception) -> ServerError:
        return ServerError(
            f"the provider {self.settings.issuer} does not answer as one does ({type(error).__name__})",
            "Try again later, or sign in with a password.",
        )


def _check(address: object, what: str) -> str:
    """An address that secrets may be sent to."""
    parts = urlsplit(str(address))
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return str(address)
    raise BadInput(f"{what} of OpenID Connect is {address!r}, which is not https", "Write an https address.")
