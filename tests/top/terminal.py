"""A program in a terminal of its own, as pyte emulates one."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyte

from tests.running import PATIENCE


class Terminal:
    """What a person would see, and type."""

    def __init__(self, arguments: tuple[str, ...], columns: int, lines: int, **environment: str) -> None:
        self.screen = pyte.Screen(columns, lines)
        self.written = b""
        self._stream = pyte.ByteStream(self.screen)
        self._end, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environment = {**os.environ, "TERM": "xterm-256color", **environment}
        environment.pop("COLUMNS", None)
        environment.pop("LINES", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "virtscope", *arguments],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env=environment,
            start_new_session=True,
        )
        os.close(inside)

    @property
    def text(self) -> str:
        """The screen, line by line."""
        return "\n".join(self.screen.display)

    def type(self, text: str) -> None:
        """Type it."""
        os.write(self._end, text.encode())

    def until(self, words: str, *, absent: bool = False) -> str:
        """Read until the screen has these words (or has them no more); the screen."""
        self.until_true(lambda: (words in self.text) != absent, repr(words))
        return self.text

    def until_true(self, condition: Callable[[], bool], what: str) -> None:
        """Read until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}:\n{self.text}"
            self._read(0.1)

    def status(self) -> int:
        """Read until the program ends; its exit status."""
        deadline = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.text
            self._read(0.05)
        while self._read(0.05):
            pass
        return self.process.returncode

    def close(self) -> None:
        """End the program, if it still runs."""
        self.process.kill()
        self.process.wait(PATIENCE)
        os.close(self._end)

    def _read(self, patience: float) -> bool:
        if not select.select([self._end], [], [], patience)[0]:
            return False
        try:
            found = os.read(self._end, 65_536)
        except OSError:  # nobody has the other end any more
            return False
        self.written += found
        self._stream.feed(found)
        return bool(found)


@contextmanager
def terminal(*arguments: str, columns: int = 120, lines: int = 30, **environment: str) -> Iterator[Terminal]:
    """A ``virtscope`` in a terminal, for as long as the block lasts."""
    made = Terminal(arguments, columns, lines, **environment)
    try:
        yield made
    finally:
        made.close()
