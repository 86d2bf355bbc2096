"""A lane: one call at a time in a thread of its own, given up on after a deadline, never stacked.

A call into libvirt cannot be interrupted. When it takes too long the caller goes on and the lane stays busy until the
call returns by itself; another call is refused meanwhile. The thread is a daemon: a call that never returns does not
keep the process alive.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Generic, TypeVar

from virtscope.errors import Late

T = TypeVar("T")


class Call(Generic[T]):
    """A call on its way. ``result`` waits for it."""

    def __init__(self, lane: str, function: Callable[[], T]) -> None:
        self._lane = lane
        self._function = function
        self._done = threading.Event()
        self._result: T
        self._error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        """Whether it has returned, however late."""
        return self._done.is_set()

    def result(self, deadline: float) -> T:
        """What the call returned, or its error.

        Raises:
            Late: it has not returned within ``deadline`` seconds from now.
        """
        if not self._done.wait(deadline):
            raise Late(f"{self._lane}: no answer within {deadline:g} s")
        if self._error is not None:
            raise self._error
        return self._result

    def run(self) -> None:
        """Do it; in the lane's thread."""
        try:
            self._result = self._function()
        except BaseException as error:  # noqa: BLE001  # handed to the caller, whatever it is
            self._error = error
        self._done.set()


class Lane:
    """Runs calls one after another in its own thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: SimpleQueue[Call[object] | None] = SimpleQueue()
        self._running: Call[object] | None = None
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    @property
    def is_busy(self) -> bool:
        """Whether a call has not returned yet."""
        return self._running is not None and not self._running.is_done

    def start(self, function: Callable[[], T]) -> Call[T]:
        """Begin a call.

        Raises:
            Late: an earlier one has still not returned.
        """
        if self.is_busy:
            raise Late(f"{self._name}: an earlier call has not returned yet")
        call = Call(self._name, function)
        self._running = call  # type: ignore[assignment]  # the lane does not look at the result
        self._queue.put(call)  # type: ignore[arg-type]
        return call

    def call(self, function: Callable[[], T], deadline: float) -> T:
        """The result of ``function``, or its error.

        Raises:
            Late: it took longer than ``deadline`` seconds, or an earlier call has still not returned.
        """
        return self.start(function).result(deadline)

    def close(self) -> None:
        """Let the thread end once it is idle."""
        self._queue.put(None)

    def join(self) -> None:
        """Wait until the thread has ended, after ``close``."""
        self._thread.join()

    def _work(self) -> None:
        while (call := self._queue.get()) is not None:
            call.run()


def close_after(lanes: Sequence[Lane], close: Callable[[], None]) -> None:
    """End lanes, and then what their calls used; without waiting, because a call may hang for ever.

    A libvirt connection that is closed while a call over it is under way is freed under that call's feet.
    """
    for lane in lanes:
        lane.close()

    def wait() -> None:
        for lane in lanes:
            lane.join()
        close()

    threading.Thread(target=wait, name="libvirt close", daemon=True).start()
