"""What agent and server say to each other when a host is enrolled, and the token that begins it.

A token holds two things: a secret, which shows the server that the host was invited, and the fingerprint of the
authority that the server's certificate must come from, which shows the host whom it may tell the secret. The server
keeps a hash of the secret alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Annotated

from msgspec import Meta

from virtscope.errors import BadInput

PORT = 8421
"""Where the server listens for agents, unless told otherwise."""
PATH = "/api/v1/agents"
OVERDUE = 0.8
"""Share of a certificate's life after which it should have been renewed: agents do at two thirds or a little later."""
_PREFIX = "vse_"
_SECRET_BYTES = 22
"""With the fingerprint a multiple of three, so that the text needs no padding."""
_FINGERPRINT_BYTES = 32


@dataclass(frozen=True, slots=True)
class EnrolmentToken:
    """One invitation; as text it is one word that can be pasted."""

    secret: bytes = field(repr=False)
    fingerprint: bytes
    """SHA-256 of the authority's certificate (DER)."""

    @classmethod
    def new(cls, fingerprint: bytes) -> EnrolmentToken:
        """A token that nobody can guess."""
        return cls(secrets.token_bytes(_SECRET_BYTES), fingerprint)

    @classmethod
    def parse(cls, text: str) -> EnrolmentToken:
        """The token that a text is.

        Raises:
            BadInput: it is none, or not the whole of one. The message does not repeat it.
        """
        prefix, encoded = text[: len(_PREFIX)], text[len(_PREFIX) :]
        try:
            raw = base64.b64decode(encoded.encode("ascii"), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        if prefix != _PREFIX or len(raw) != _SECRET_BYTES + _FINGERPRINT_BYTES:
            raise BadInput(
                "that is no enrolment token, or not the whole of one",
                f"It begins with {_PREFIX} and is printed by 'virtscope token create' on the server.",
            )
        return cls(raw[:_SECRET_BYTES], raw[_SECRET_BYTES:])

    @property
    def text(self) -> str:
        """The token as one word."""
        return _PREFIX + base64.urlsafe_b64encode(self.secret + self.fingerprint).decode()

    @property
    def digest(self) -> bytes:
        """What the server keeps of it. A fast hash will do: the secret cannot be guessed."""
        return hashlib.sha256(self.secret).digest()


def fingerprint_text(fingerprint: bytes) -> str:
    """A fingerprint as people compare it: ``sha256:…``."""
    return f"sha256:{fingerprint.hex()}"


_Token = Annotated[str, Meta(max_length=200)]
_Name = Annotated[str, Meta(min_length=1, max_length=255)]
_Pem = Annotated[str, Meta(max_length=8_192)]


@dataclass(frozen=True, slots=True)
class EnrolRequest:
    """A host asks for its first certificate."""

    token: _Token = field(repr=False)
    name: _Name
    request: _Pem
    """The signing request (PKCS #10, PEM). Only its key counts."""


@dataclass(frozen=True, slots=True)
class RenewRequest:
    """An agent asks for its next certificate, over a connection that shows the present one."""

    request: _Pem


@dataclass(frozen=True, slots=True)
class Issued:
    """A new certificate, and who its holder is. Times are Unix seconds, by the server's clock."""

    agent: str
    """The agent's id, a UUID."""
    name: str
    certificate: str
    """PEM, with those between it and the authority where there are any."""
    authority: str
    """Whom the server's certificate comes from, as PEM."""
    issued: float
    expires: float


@dataclass(frozen=True, slots=True)
class Myself:
    """Who the server takes an agent for."""

    agent: str
    name: str
    expires: float
    """When its certificate does, in Unix seconds."""
