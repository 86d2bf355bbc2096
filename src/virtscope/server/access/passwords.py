"""Passwords: hashed with argon2id, one at a time, so that guessing costs the server one core at the most."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from virtscope.errors import BadInput, TooOften

P = ParamSpec("P")
T = TypeVar("T")
SHORTEST, LONGEST = 12, 1_000
"""Characters of a password."""
MEMORY_KIB, PASSES = 65_536, 3
"""What a hash costs: RFC 9106's second choice of parameters, on one thread."""
MOST_WAITING = 32
"""Passwords that may wait to be hashed; who comes then is sent away."""


class Passwords:
    """Hashes and verifies."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=1)
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())
        self._worker = ThreadPoolExecutor(1, "passwords")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """A password's hash, to be stored.

        Raises:
            BadInput: it is too short or too long.
            TooOften: too many wait already.
        """
        if not SHORTEST <= len(password) <= LONGEST:
            raise BadInput(
                f"a password has {SHORTEST} to {LONGEST:,} characters", "Several words in a row are easy to remember."
            )
        return await self._in_turn(self._hash, password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        """Whether a password fits; it takes as long for somebody who has none (None), so that nobody is told apart.

        Raises:
            TooOften: too many wait already.
        """
        fits = await self._in_turn(self._verify, hashed or self._nobodys, password[:LONGEST])
        return fits and hashed is not None

    def close(self) -> None:
        """End the thread."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def _in_turn(self, work: Callable[P, T], *arguments: P.args, **_none: P.kwargs) -> T:
        if self._waiting >= MOST_WAITING:
            raise TooOften("too many people sign in at this moment", "Try again in a few seconds.", 3)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, work, *arguments)
        finally:
            self._waiting -= 1

    def _hash(self, password: str) -> str:
        return self._hasher.hash(password)

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (Argon2Error, InvalidHashError, UnicodeError):
            return False
