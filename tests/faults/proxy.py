"""Something between agent and server that loses what it is told to lose."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Proxy:
    """Passes connections on to a port of loopback, each in threads of its own."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: list[socket.socket] = []
        self._passing = threading.Event()
        self._passing.set()
        self._lose = threading.Event()
        self.lost = 0
        """Answers that did not arrive."""
        threading.Thread(target=self._accept, daemon=True).start()

    def lose_an_answer(self) -> None:
        """The next answer of a connection that is open: the request has gone through, then all is cut."""
        self._lose.set()

    def has_lost_more_than(self, count: int) -> bool:
        """Whether more answers than these did not arrive."""
        return self.lost > count

    def hold(self) -> None:
        """From now on nothing passes, and nobody is told: connections are open at one end."""
        self._passing.clear()

    def release(self) -> None:
        """Connections that were held are cut; new ones pass."""
        held, self._open = self._open, []
        self._passing.set()
        for one in held:
            self._cut(one)

    def close(self) -> None:
        """End."""
        self._listener.close()
        self.release()

    def _accept(self) -> None:
        with suppress(OSError):  # it was closed
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(self._target)
        except OSError:
            near.close()
            return
        fresh = not self._lose.is_set()  # whose handshake is not over yet has no answer to lose
        self._open += [near, far]
        threading.Thread(target=self._pump, args=(near, far, False), daemon=True).start()
        self._pump(far, near, fresh)

    def _pump(self, source: socket.socket, target: socket.socket, may_lose: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._passing.wait()
                if may_lose and self._lose.is_set():
                    self._lose.clear()
                    self.lost += 1
                    break
                target.sendall(data)
        self._cut(source)
        self._cut(target)

    @staticmethod
    def _cut(one: socket.socket) -> None:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
