"""A lane: one call at a time in a thread of its own, given up on after a deadline, never stacked.

A call into libvirt cannot be interrupted. When it takes too long the caller goes on and the lane stays busy until the
call returns by itself; another call is refused meanwhile. The thread is a daemon: a call that never returns does not
keep the process alive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

from virtscope.errors import Late

T = TypeVar("T")


class _Call(Generic[T]):
    def __init__(self, function: Callable[[], T]) -> None:
        self.function = function
        self.done = threading.Event()
        self.result: T
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.function()
        except BaseException as error:  # noqa: BLE001  # handed to the caller, whatever it is
            self.error = error
        self.done.set()


class Lane:
    """Runs calls one after another in its own thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: SimpleQueue[_Call[object] | None] = SimpleQueue()
        self._running: _Call[object] | None = None
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def call(self, function: Callable[[], T], deadline: float) -> T:
        """The result of ``function``, or its error.

        Raises:
            Late: it took longer than ``deadline`` seconds, or an earlier call has still not returned.
        """
        if self._running is not None and not self._running.done.is_set():
            raise Late(f"{self._name}: an earlier call has not returned yet")
        call = _Call(function)
        self._running = call  # type: ignore[assignment]  # the lane does not look at the result
        self._queue.put(call)  # type: ignore[arg-type]
        if not call.done.wait(deadline):
            raise Late(f"{self._name}: no answer within {deadline:g} s")
        if call.error is not None:
            raise call.error
        return call.result

    def close(self) -> None:
        """Let the thread end once it is idle."""
        self._queue.put(None)

    def _work(self) -> None:
        while (call := self._queue.get()) is not None:
            call.run()
