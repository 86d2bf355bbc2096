"""Who may come in, as one value: users, sessions, API tokens, the first admin's secret, and the guard's settings."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from virtscope.errors import NotAllowed, NotSignedIn
from virtscope.server.access.api_tokens import ApiTokens
from virtscope.server.access.bootstrap import Bootstrap
from virtscope.server.access.oidc import Provider
from virtscope.server.access.passwords import Passwords
from virtscope.server.access.registry import Registry
from virtscope.server.access.sessions import Sessions
from virtscope.server.access.settings import AccessSettings
from virtscope.server.access.throttle import Throttle
from virtscope.server.access.users import User, Users
from virtscope.server.listening import OWNERS_SOCKET

log = logging.getLogger(__name__)

LOOKUPS = 4
"""Threads that look who somebody is. Those that answer people are others: neither waits for the other ones."""
P = ParamSpec("P")
T = TypeVar("T")


class Access:
    """Everything that decides who comes in. Passwords are its own affair, the rest its parts'."""

    def __init__(
        self, registry: Registry, folder: Path, settings: AccessSettings, clock: Callable[[], float] = time.time
    ) -> None:
        """Open it over a registry; the first admin's secret goes into the data folder.

        Raises:
            BadInput: it asks nobody to sign in, and yet answers to names beyond loopback.
            StoreError: the secret cannot be written.
        """
        self.settings = settings
        self.socket = folder.absolute() / OWNERS_SOCKET
        self.users = Users(registry, clock)
        self.sessions = Sessions(registry, settings.idle_seconds, settings.session_seconds, clock)
        self.tokens = ApiTokens(registry, clock)
        self.bootstrap = Bootstrap(folder, self.users) if settings.login else None
        self.provider = Provider(settings.oidc) if settings.oidc else None
        self._passwords = Passwords()
        self._lookups = ThreadPoolExecutor(LOOKUPS, "access")
        self._throttle = Throttle()

    @property
    def cookie(self) -> str:
        """The name of the session's cookie: browsers take one with ``__Host-`` only over https, from this very host."""
        return "__Host-virtscope" if self.settings.https else "virtscope"

    async def looked_up(self, work: Callable[P, T], *arguments: P.args, **_none: P.kwargs) -> T:
        """What a part of this answers, asked in a thread that does nothing else."""
        return await asyncio.get_running_loop().run_in_executor(self._lookups, work, *arguments)

    async def hashed(self, password: str) -> str:
        """A new password's hash; BadInput where it is too short."""
        return await self._passwords.hash(password)

    async def sign_in(self, name: str, password: str, address: str) -> User:
        """Whoever has this password.

        Raises:
            NotSignedIn: nobody of this name has it.
            TooOften: too many tries failed already.
        """
        self._throttle.check(name, address)
        if not await self._passwords.verify(await self.looked_up(self.users.password_of, name), password):
            self._throttle.failed(name, address)
            log.warning("a sign-in as %r from %s failed", name[:64], address)
            raise NotSignedIn("the name or the password is wrong", "Try again, or ask an admin for a new password.")
        self._throttle.succeeded(name)
        log.info("%r signed in from %s", name, address)
        return await self.looked_up(self.users.named, name)

    async def begin(self, secret: str, name: str, password: str, address: str) -> User:
        """The first admin, for the secret of the first start.

        Raises:
            NotAllowed: the secret is wrong, or was used.
            BadInput: name or password cannot be.
            TooOften: too many tries failed already.
        """
        self._throttle.check("", address)
        if self.bootstrap is None or not self.bootstrap.fits(secret):
            self._throttle.failed("", address)
            log.warning("a wrong bootstrap secret was shown from %s", address)
            raise NotAllowed(
                "the bootstrap secret is wrong, or was used already",
                "The server prints it when it starts, until it is used.",
            )
        user = await self.looked_up(self.users.add_first, name, await self.hashed(password))
        self.bootstrap.used()
        if user is None:
            raise NotAllowed("there is an admin already", "Sign in, or ask the admin.")
        log.info("%r is the first admin", name)
        return user

    def close(self) -> None:
        """End its threads."""
        self._lookups.shutdown(wait=False, cancel_futures=True)
        self._passwords.close()
