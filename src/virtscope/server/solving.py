"""The solver in a process of its own: one that fails, or is killed, costs its answer and nothing else."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from virtscope.analysis import solver_process
from virtscope.analysis.solver import ANSWERER, NO_ANSWER, Answer, Question
from virtscope.errors import Cancelled

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-I", "-m", solver_process.__name__)
GRACE_SECONDS = 60.0
"""What starting, making the model and answering may take beyond the time for the search."""
_LOOK_SECONDS = 0.2


class Apart:
    """Answers each question by a new process."""

    def __init__(self, cancelled: Callable[[], bool], command: Sequence[str] = COMMAND) -> None:
        """Begin; ``cancelled`` is asked now and then, and where it says yes the search ends."""
        self._cancelled = cancelled
        self._command = command

    def __call__(self, question: Question) -> Answer:
        """The answer; NO_ANSWER where the process ended without one, as if none was found in time.

        Raises:
            Cancelled: it was.
        """
        deadline = time.monotonic() + question.seconds + GRACE_SECONDS
        try:
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={}, cwd="/"
            )
        except OSError as error:
            log.warning("the solver's process cannot be started: %s", error)
            return NO_ANSWER
        with process:
            try:
                told, said = self._told(process, msgspec.msgpack.encode(question), deadline)
            finally:
                process.kill()
        if process.returncode:
            why = said.decode(errors="replace").strip()[-300:]
            log.warning("the solver's process ended with %d without an answer: %s", process.returncode, why)
            return NO_ANSWER
        return msgspec.msgpack.decode(told, type=Answer)

    def _told(self, process: subprocess.Popen[bytes], asked: bytes, deadline: float) -> tuple[bytes, bytes]:
        """What the process writes until it ends; it is killed when its time is over."""
        given: bytes | None = asked
        while True:
            try:
                return process.communicate(given, timeout=_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                given = None
            if self._cancelled():
                raise Cancelled("the analysis was cancelled")
            if time.monotonic() > deadline:
                process.kill()


@contextmanager
def apart(cancelled: Callable[[], bool]) -> Iterator[None]:
    """In this block, questions to the solver are answered by processes of their own."""
    before = ANSWERER.set(Apart(cancelled))
    try:
        yield
    finally:
        ANSWERER.reset(before)
