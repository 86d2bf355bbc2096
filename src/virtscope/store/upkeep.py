"""Upkeep: the thread in which hours are archived and forgotten, beside the one that writes what comes in."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from virtscope.errors import StoreError
from virtscope.pulse import Pulse
from virtscope.sample import now_ms

log = logging.getLogger(__name__)

PAUSE_SECONDS = 30.0
ROUND_SECONDS = 900.0
"""How long one step of the work may take, an hour's archiving, before it is hung."""
Work = Callable[[int, Callable[[], bool]], None]
"""What is done again and again: given the time (Unix ms), and whom to ask whether to go on."""


class Upkeep:
    """The thread."""

    def __init__(self, work: Work, pulse: Pulse | None = None, pause: float = PAUSE_SECONDS) -> None:
        """Start; ``pause`` seconds lie between two rounds."""
        self._work = work
        self._pulse = pulse or Pulse()
        self._pause = pause
        self._ended = threading.Event()
        self._ailment: str | None = None
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._thread.start()

    @property
    def ailment(self) -> str | None:
        """Why hours cannot be archived or forgotten at the moment, though all is stored; None where all is well."""
        return self._ailment

    def stop(self) -> None:
        """End when the hour that is being archived is."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while self._goes_on():
            try:
                self._work(now_ms(), self._goes_on)
                self._ailment = None
            except StoreError as error:
                log.warning("%s %s", error, error.hint)
                self._ailment = str(error)
            except Exception as error:
                # A full disk, a damaged page: hours stay where they are, and storing goes on.
                log.exception("the store's upkeep failed")
                self._ailment = f"the store's upkeep failed: {str(error).partition(chr(10))[0]}"
            self._ended.wait(self._pause)
        self._pulse.forget("upkeep")

    def _goes_on(self) -> bool:
        self._pulse.expect("upkeep", ROUND_SECONDS)
        return not self._ended.is_set()
