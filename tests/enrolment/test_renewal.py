"""The agent's certificate renews itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.enrolment.serving import serving
from tests.running import until
from virtscope.agent.enrolment import identity, renewal
from virtscope.agent.enrolment.exchange import Address, ask
from virtscope.agent.enrolment.identity import Identity
from virtscope.agent.enrolment.renewal import Renewal
from virtscope.errors import EnrolmentError

DAY = 86_400.0


def test_it_renews_itself_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "_DUE", 0.01)
    monkeypatch.setattr(renewal, "_SPREAD", 0.001)
    with serving(tmp_path / "server", lifetime=60) as port:
        known = port.enrol(tmp_path / "agent")
        heard: list[Identity] = []
        thread = Renewal(known, heard.append)
        try:
            until(lambda: len(heard) >= 2, "two renewals")
            assert {found.agent for found in heard} == {known.agent}
            assert ask(Address.parse(port.url), thread.identity.context(), "me")
            assert thread.problem is None
            assert len(port.agents.list()) == 1
        finally:
            thread.stop()


def test_it_goes_on_trying(tmp_path: Path) -> None:
    with serving(tmp_path / "server", lifetime=20) as port:
        known = port.enrol(tmp_path / "agent")
        before = known.path.read_bytes()
        port.agents.revoke("kvm7")
        # It is time at once.
        overdue = Identity(known.path, known.server, known.agent, known.name, 0, known.expires, known.authority)
        thread = Renewal(overdue, lambda _identity: None)
        try:
            until(lambda: thread.problem, "the refusal")
            assert thread.problem is not None
            assert "was revoked" in thread.problem
            assert known.path.read_bytes() == before
        finally:
            thread.stop()


def test_the_present_identity_stays_when_the_server_is_away(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        known = port.enrol(tmp_path / "agent")
    with pytest.raises(EnrolmentError, match="cannot be reached"):
        renewal.renew(known)
    assert identity.load(tmp_path / "agent") == known


def test_when_it_is_time() -> None:
    known = Identity(Path(), "", "", "", issued=1_000, expires=1_000 + 30 * DAY, authority="")
    assert renewal.due(known, 0) == pytest.approx(1_000 + 20 * DAY)
    assert renewal.due(known, 1) == pytest.approx(1_000 + 21.5 * DAY)
    waits = [renewal.retry_after(failures, 10 * DAY, 1) for failures in range(1, 40)]
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (60, 3_600)
    assert renewal.retry_after(40, 0, 0) > 0
