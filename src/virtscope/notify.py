"""What the service manager is told (sd_notify(3)): ready, stopping, a status, and that the program goes on.

Without a manager that listens (``NOTIFY_SOCKET``) nothing is done.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Whoever has started the program and wants to hear of it."""

    address: str = ""
    """A socket's path, or ``@`` and the name of an abstract one; empty where nobody listens."""
    watchdog_seconds: float = 0.0
    """After how long a silence it kills the program; 0 is never."""

    @classmethod
    def of(cls, environment: Mapping[str, str], process: int) -> ServiceManager:
        """The one that the environment tells of. A watchdog of another process is none of ours."""
        address = environment.get("NOTIFY_SOCKET", "")
        usable = address.startswith(("/", "@")) and len(address) > 1
        microseconds, meant = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(process))
        watched = usable and microseconds.isdecimal() and meant == str(process)
        return cls(address if usable else "", int(microseconds) / 1e6 if watched else 0.0)

    @classmethod
    def here(cls) -> ServiceManager:
        """The one of this process."""
        return cls.of(os.environ, os.getpid())

    def ready(self, status: str) -> None:
        """The program does its work from now on."""
        self._tell("READY=1", f"STATUS={status}")

    def status(self, text: str) -> None:
        """What it does, for ``systemctl status``."""
        self._tell(f"STATUS={text}")

    def stopping(self) -> None:
        """It has begun to end."""
        self._tell("STOPPING=1")

    def watch(self, late: Callable[[], Sequence[str]]) -> Callable[[], None]:
        """Say again and again that the program goes on, for as long as nobody is late; the answer ends it.

        The first silence is logged with the names of who is late. If they do not come round in time, the manager
        starts the program again.
        """
        if not self.watchdog_seconds:
            return _nothing
        ended = threading.Event()

        def run() -> None:
            told: tuple[str, ...] = ()
            while not ended.wait(self.watchdog_seconds / 3):
                names = tuple(late())
                if not names:
                    self._tell("WATCHDOG=1")
                elif names != told:
                    log.error("not going on: %s", ", ".join(names))
                    self.status(f"not going on: {', '.join(names)}")
                told = names

        threading.Thread(target=run, name="watchdog", daemon=True).start()
        return ended.set

    def _tell(self, *lines: str) -> None:
        if not self.address:
            return
        # A status is one line: what a foreign name in it brings along cannot become another assignment.
        message = "\n".join("".join(sign if sign.isprintable() else " " for sign in line) for line in lines)
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
                manager.settimeout(1.0)
                manager.sendto(message.encode("utf-8", "replace"), address)
        except OSError as error:
            log.debug("the service manager cannot be told: %s", error)


def _nothing() -> None:
    """Nobody wants to hear."""
