"""The solver in a process of its own: the same answers, and a process that dies costs one of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.analysis import fleets
from virtscope.analysis import balance
from virtscope.analysis.placement import Domain, Fleet, Host, violations
from virtscope.analysis.solver import ANSWERER, NO_ANSWER, Answer, Placement, Question, answered
from virtscope.errors import Cancelled
from virtscope.server import solving
from virtscope.server.solving import Apart

GIB = 1 << 30


def never() -> bool:
    return False


def fleet() -> Fleet:
    """Three hosts; all ten domains are on the first."""
    hosts = tuple(Host(f"h{number}", 64 * GIB, 8.0) for number in range(3))
    return Fleet(hosts, tuple(Domain(f"d{n}", "h0", (n + 1) * GIB, 0.3 + n / 7) for n in range(10)))


@pytest.mark.parametrize("seed", range(3))
def test_it_answers_as_in_this_process(seed: int) -> None:
    asked = Question(fleets.fleet(4, 30, seed), "least_peak", 10.0, {})
    assert Apart(never)(asked) == answered(asked)


def test_all_its_questions() -> None:
    given = fleet()
    before = ANSWERER.set(Apart(never))
    try:
        placement = Placement(given)
        moved, emptied = placement.fewest_moves(0.5, 10.0, {}), placement.fewest_hosts(0.9, 10.0, given.now)
    finally:
        ANSWERER.reset(before)
    assert moved == answered(Question(given, "fewest_moves", 10.0, {}, 0.5))
    assert (emptied.bound, emptied.proven) == (2, True)


def killing(apart: Apart, asked: Question, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """The answer to a question whose process is killed as soon as it runs."""
    started = subprocess.Popen

    def doomed(*given: Any, **rest: Any) -> subprocess.Popen[bytes]:
        process = started(*given, **rest)
        os.kill(process.pid, signal.SIGABRT)
        return process

    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", doomed)
        return apart(asked)


def test_a_process_that_is_killed_costs_its_answer_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    apart, asked = Apart(never), Question(fleet(), "least_peak", 10.0, {})
    assert killing(apart, asked, monkeypatch) == NO_ANSWER
    assert f"ended with -{int(signal.SIGABRT)} without an answer" in caplog.text
    assert apart(asked).proven


def test_without_the_solver_there_is_a_plan_still() -> None:
    """What local search found stands, and is not called the best."""
    given = replace(fleet())
    before = ANSWERER.set(Apart(never, (sys.executable, "-c", "import os; os.abort()")))
    try:
        found = balance.rebalance(given, (1.0, 1.0, 1.0), balance.Rules(seconds=1.0))
    finally:
        ANSWERER.reset(before)
    assert found.order is not None
    assert found.after < found.before / 2
    assert not violations(given, found.order.where)


def test_one_that_cannot_be_started_is_no_answer() -> None:
    assert Apart(never, ("/nowhere/python",))(Question(fleet(), "least_peak", 1.0, {})) == NO_ANSWER


def _stuck(cancelled: Callable[[], bool]) -> Apart:
    return Apart(cancelled, (sys.executable, "-c", "import time; time.sleep(600)"))


def test_it_can_be_cancelled() -> None:
    end = threading.Event()
    threading.Timer(0.1, end.set).start()
    before = time.monotonic()
    with pytest.raises(Cancelled):
        _stuck(end.is_set)(Question(fleet(), "least_peak", 600.0, {}))
    assert time.monotonic() - before < 60


def test_one_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solving, "GRACE_SECONDS", 0.3)
    assert _stuck(never)(Question(fleet(), "least_peak", 0.0, {})) == NO_ANSWER
