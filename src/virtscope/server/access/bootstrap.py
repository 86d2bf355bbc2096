"""The first start: a secret that makes the first admin, once. There is no default password."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from virtscope.errors import StoreError
from virtscope.server.access.users import Users

FILE = "bootstrap-secret"


class Bootstrap:
    """The secret, for as long as nobody is an admin. It is made anew at each start, and used up by the first admin."""

    def __init__(self, folder: Path, users: Users) -> None:
        """Make it where there is no admin: in the data folder, in a file that only its owner can read.

        Raises:
            StoreError: the file cannot be written.
        """
        self._path = folder / FILE
        self._users = users
        self._secret: str | None = None
        try:
            self._path.unlink(missing_ok=True)
            if users.has_admin():
                return
            self._secret = secrets.token_urlsafe(24)
            made = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(made, "w") as file:
                file.write(f"{self._secret}\n")
        except OSError as error:
            raise StoreError(f"cannot write {self._path}: {error.strerror}", "Is the folder writable?") from None

    @property
    def secret(self) -> str | None:
        """What the first admin is to show; None where there is one already."""
        if self._secret is not None and self._users.has_admin():
            self.used()
        return self._secret

    def fits(self, shown: str) -> bool:
        """Whether this is the secret."""
        secret = self.secret
        return secret is not None and hmac.compare_digest(secret.encode(), shown.encode(errors="replace"))

    def used(self) -> None:
        """There is an admin now: forget the secret."""
        self._secret = None
        self._path.unlink(missing_ok=True)
