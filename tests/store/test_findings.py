"""Findings with their history: new, still there, gone, back, dismissed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.synthetic import Opened, opened
from virtscope.analysis.finding import INSUFFICIENT, NOTHING, Evidence, Figure, Finding, Pointer, Severity, Subject
from virtscope.errors import NotFound
from virtscope.store.findings import Dismissal, Findings, Kept, key

T = 1_800_000_000_000


def found(id: str, verdict: str = "idle", kind: str = "domain", analysis: str = "idle", part: str = "") -> Finding:  # noqa: A002
    evidence = Evidence(T - 1000, T, 288, 1.0, (Pointer("cpu_ratio", id),), ("a note",))
    subject = Subject(kind, id, f"name\x1b of {id}", "h1", part)
    figures = (Figure("x", None, "ratio"),)
    return Finding(analysis, subject, verdict, Severity.INFO, "because", evidence, 0.9, figures, {"vcpus": 2.0})


def states(findings: Findings, at: int, since: int | None = 0) -> dict[str, str]:
    return {one.finding.subject.id: word(one) for one in findings.all(at, gone_since=since)}


def word(one: Kept) -> str:
    return "gone" if one.gone is not None else "new" if one.is_new else "still"


def test_new_still_and_gone(open_store: Opened) -> None:
    kept = Findings(open_store.database)
    kept.take("idle", T, 1.0, [found("a"), found("b"), found("c", NOTHING), found("d", INSUFFICIENT)])
    assert states(kept, T) == {"a": "new", "b": "new"}
    kept.take("idle", T + 10, 1.0, [found("a"), found("c")])
    assert states(kept, T + 10) == {"a": "still", "b": "gone", "c": "new"}
    [a] = [one for one in kept.all(T + 10) if one.finding.subject.id == "a"]
    assert (a.first, a.last, a.gone, a.finding) == (T, T + 10, None, found("a"))
    assert states(kept, T + 10, since=None) == {"a": "still", "c": "new"}


def test_what_comes_back_is_another_one(open_store: Opened) -> None:
    kept = Findings(open_store.database)
    for at, of in ((T, ["a"]), (T + 10, []), (T + 20, ["a"])):
        kept.take("idle", at, 1.0, [found(id) for id in of])  # noqa: A001
    assert [(one.first, one.gone) for one in kept.all(T + 20, gone_since=0)] == [(T + 20, None), (T, T + 10)]


def test_what_is_not_known_any_more_is_not_gone(open_store: Opened) -> None:
    kept = Findings(open_store.database)
    kept.take("idle", T, 1.0, [found("a"), found("b")])
    kept.take("idle", T + 10, 1.0, [found("a", INSUFFICIENT)])
    assert states(kept, T + 10) == {"a": "still", "b": "gone"}
    # A run that had nothing to look at says nothing of anybody.
    kept.take("idle", T + 20, 1.0, [found("", INSUFFICIENT, "fleet")])
    assert states(kept, T + 20, since=None) == {"a": "still"}


def test_analyses_do_not_touch_each_other(open_store: Opened) -> None:
    kept = Findings(open_store.database)
    kept.take("idle", T, 1.0, [found("a")])
    kept.take("disk", T + 10, 1.0, [])
    kept.failed("idle", T + 20, 2.5, "no store")
    assert states(kept, T + 20) == {"a": "new"}
    assert {name: (run.at, run.findings, run.problem) for name, run in kept.runs().items()} == {
        "idle": (T + 20, 0, "no store"),
        "disk": (T + 10, 0, None),
    }


def test_one_subject_may_have_several_verdicts(open_store: Opened) -> None:
    kept = Findings(open_store.database)
    kept.take("x", T, 1.0, [found("a", "no filter", "nic", part="m1"), found("a", "no filter", "nic", part="m2")])
    assert len({one.id for one in kept.all(T)}) == 2


def test_a_dismissal_has_an_end_and_can_be_undone(open_store: Opened) -> None:
    kept = Findings(open_store.database)
    kept.take("idle", T, 1.0, [found("a")])
    name = key(found("a"))
    kept.dismiss(name, Dismissal(T, T + 100, "ana", "it's a standby"))
    assert [one.dismissal for one in kept.all(T + 99)] == [Dismissal(T, T + 100, "ana", "it's a standby")]
    assert [one.dismissal for one in kept.all(T + 100)] == [None]
    kept.dismiss(name, Dismissal(T, None, "ana", "for ever"))
    assert [one.dismissal is None for one in kept.all(T * 2)] == [False]
    kept.restore(name)
    assert [one.dismissal for one in kept.all(T)] == [None]
    with pytest.raises(NotFound):
        kept.restore(name)
    with pytest.raises(NotFound):
        kept.dismiss("nothing", Dismissal(T, None, "ana", "x"))


def test_the_history_outlives_the_process(tmp_path: Path) -> None:
    with opened(tmp_path / "data") as first:
        Findings(first.database).take("idle", T, 1.0, [found("a")])
    with opened(tmp_path / "data") as second:
        assert states(Findings(second.database), T) == {"a": "new"}
