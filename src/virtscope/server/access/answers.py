"""The shapes of the routes about people: what is sent, and what is answered. Times are Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

RoleName: TypeAlias = Literal["viewer", "operator", "admin"]
Short: TypeAlias = Annotated[str, Field(max_length=200)]
Secret: TypeAlias = Annotated[str, Field(max_length=1_000)]
Projects: TypeAlias = Annotated[list[Short], Field(max_length=1_000)]


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs in."""

    name: Short
    password: Secret


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """Who becomes the first admin."""

    secret: Secret
    """What the server printed when it started."""
    name: Short
    password: Secret


@dataclass(frozen=True, slots=True)
class NewPassword:
    """One's own password, changed."""

    current: Secret
    new: Secret


@dataclass(frozen=True, slots=True)
class NewUser:
    """A user to be added."""

    name: Short
    password: Secret
    role: RoleName
    projects: Projects | None = None
    """Ids and names of the projects whose domains he sees; null is everything."""


@dataclass(frozen=True, slots=True)
class ChangedUser:
    """What is to be other of a user; what is left out stays."""

    password: Secret | None = None
    role: RoleName | None = None
    projects: Projects | None = None
    everything: bool = False
    """Limit him to no projects any more."""


@dataclass(frozen=True, slots=True)
class NewToken:
    """An API token to be made."""

    name: Short
    role: RoleName = "viewer"
    projects: Projects | None = None
    """Null: as its maker."""
    expires: Annotated[float, Field(allow_inf_nan=False, le=1e11)] | None = None


@dataclass(frozen=True, slots=True)
class SessionAnswer:
    """Who asks, and how one signs in here."""

    user: str | None
    """Null where nobody is signed in."""
    role: RoleName | None
    projects: list[str] | None
    login: bool
    """Whether one has to sign in."""
    password: bool
    """Whether he who asks can change his password here."""
    bootstrap: bool
    """Whether there is no admin yet: the first one is made with the secret that the server printed."""
    oidc: str | None
    """The name of the provider that one can sign in with."""


@dataclass(frozen=True, slots=True)
class UserAnswer:
    """A user."""

    name: str
    role: RoleName
    projects: list[str] | None
    issuer: str | None
    """The provider that signs him in; null: his password does."""
    subject: str | None
    email: str | None
    created: float
    signed_in: float | None
    """The last time."""


@dataclass(frozen=True, slots=True)
class UserList:
    """All users."""

    users: list[UserAnswer]


@dataclass(frozen=True, slots=True)
class TokenAnswer:
    """An API token, without its text."""

    id: int
    name: str
    user: str
    """Who made it; ``owner`` where it was made through the server's own socket."""
    role: RoleName
    projects: list[str] | None
    created: float
    expires: float | None
    used: float | None
    """The last time, to the minute."""


@dataclass(frozen=True, slots=True)
class MadeToken(TokenAnswer):
    """An API token just made."""

    token: str
    """Its text. It is not kept: this is the only time that it is told."""


@dataclass(frozen=True, slots=True)
class TokenList:
    """API tokens."""

    tokens: list[TokenAnswer]
