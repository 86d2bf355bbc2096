"""Passwords of basic auth: bcrypt once, and a fast keyed hash from then on.

bcrypt is slow so that stolen hashes are of little use; a scrape every few seconds must not pay for it each time. Of
credentials that were right only a hash under a key is kept that never leaves this process.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
from collections.abc import Mapping
from hashlib import blake2b

import bcrypt

_REMEMBERED = 64
_LONGEST = 72
"""bcrypt looks at no more bytes of a password."""


class Credentials:
    """Who may come in."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._hashes = {name.encode(): hashed.encode() for name, hashed in users.items()}
        self._key = secrets.token_bytes(32)
        self._good: set[bytes] = set()
        # One at a time: guessing costs the host one CPU at most.
        self._slow = threading.Lock()
        # An unknown user costs what a known one does; the hash is that of a password nobody has.
        costliest = max((int(hashed[4:6]) for hashed in users.values()), default=10)
        self._nobody = bcrypt.hashpw(secrets.token_hex(16).encode(), bcrypt.gensalt(costliest))

    def allow(self, authorization: str | None) -> bool:
        """Whether an ``Authorization`` header opens the door."""
        if (found := _basic(authorization)) is None:
            return False
        name, password = found
        token = blake2b(len(name).to_bytes(4, "big") + name + password, key=self._key).digest()
        if token in self._good:
            return True
        hashed = self._hashes.get(name)
        with self._slow:
            matches = _matches(password, self._nobody if hashed is None else hashed)
            if hashed is None or not matches:
                return False
            if len(self._good) >= _REMEMBERED:
                self._good.clear()
            self._good.add(token)
        return True


def _matches(password: bytes, hashed: bytes) -> bool:
    try:
        return bcrypt.checkpw(password[:_LONGEST], hashed) and len(password) <= _LONGEST
    except ValueError:
        return False


def _basic(authorization: str | None) -> tuple[bytes, bytes] | None:
    scheme, _, encoded = (authorization or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
    name, colon, password = decoded.partition(b":")
    return (name, password) if colon else None
