"""What the operator decides about who may come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from virtscope.server.access.who import Role

DAY_SECONDS = 86_400.0
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """An OpenID Connect provider that people may sign in with."""

    issuer: str
    """Its address, exactly as it names itself: ``https://sso.example.org/realms/main``."""
    client_id: str
    client_secret_file: Path | None = None
    """A file with nothing but the secret; None for a public client."""
    label: str = "single sign-on"
    """What the button on the page says after "Sign in with"."""
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    claim: str = "groups"
    """The claim whose values ``roles`` and ``projects`` map."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    """The role that each value of the claim brings; the highest one counts."""
    projects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The projects that each value of the claim opens; ``*`` is all of them. Without any entry nobody is limited."""
    default_role: Role | None = None
    """Of somebody without any value that ``roles`` names; None refuses him."""
    ca: Path | None = None
    """Certificates that the provider's is verified with; None: the system's."""


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Who is asked for what."""

    login: bool = True
    """Whether somebody has to show who he is. Without, the server must listen on loopback only."""
    hosts: frozenset[str] = LOOPBACK
    """The names and addresses, without ports, by which the server may be asked; ``*`` is every IP address."""
    https: bool = False
    """Whether people reach the page by https, be it through a proxy."""
    idle_seconds: float = DAY_SECONDS / 2
    """A session ends when it was not used for so long."""
    session_seconds: float = 7 * DAY_SECONDS
    """A session ends after so long, used or not."""
    oidc: OidcSettings | None = None
