"""Evaluation: each thing told once, nothing told of what is not known, and a restart changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from virtscope.alerts.evaluate import Alert, Change, Seen, State, Subject, evaluate
from virtscope.alerts.rule import Rule

RULE = Rule("r", "domains", "steal>10", hold=60.0, rest=120.0)
SUBJECT = Subject("domains", "d", "web")
STEP = 20_000
Truth = bool | None


def run(
    truths: Sequence[Truth | str], rule: Rule = RULE, restarts: Sequence[int] = ()
) -> tuple[dict[str, Alert], list[Change]]:
    """The alerts after a sequence of moments, 20 s apart, and what was told. ``gone``: the object is not there."""
    alerts: dict[str, Alert] = {}
    told: list[Change] = []
    for number, truth in enumerate(truths):
        if number in restarts:
            text = msgspec.json.encode(alerts)
            alerts = msgspec.json.decode(text, type=dict[str, Alert])
        seen = [] if isinstance(truth, str) else [Seen(SUBJECT, truth, None if truth is None else not truth, 1.0)]
        alerts, changes = evaluate(rule, alerts, seen, 1_000_000 + number * STEP)
        told += changes
    return alerts, told


def words(told: Sequence[Change]) -> list[str]:
    return ["gone" if one.is_gone else "resolved" if one.is_resolved else "fired" for one in told]


def test_it_fires_when_it_has_been_so_for_long_enough() -> None:
    alerts, told = run([True, True, True])
    assert (alerts["d"].state, told) == (State.PENDING, [])
    alerts, told = run([True] * 4)
    assert (alerts["d"].state, words(told)) == (State.FIRING, ["fired"])
    assert told[0].at - told[0].alert.since == 60_000


def test_what_passes_soon_is_not_told() -> None:
    assert run([True, True, True, False] * 5) == ({}, [])


def test_it_is_resolved_when_it_has_been_over_for_long_enough() -> None:
    alerts, told = run([True] * 4 + [False] * 6)
    assert (alerts["d"].state, words(told)) == (State.FIRING, ["fired"])
    assert words(run([True] * 4 + [False] * 7)[1]) == ["fired", "resolved"]
    assert run([True] * 4 + [False] * 7)[0] == {}


def test_one_that_flaps_says_one_down_and_one_up() -> None:
    flapping: list[Truth | str] = [*[True] * 4, *[False, False, True, False, False, False, True] * 10, *[False] * 7]
    assert words(run(flapping)[1]) == ["fired", "resolved"]


def test_one_that_is_not_known_stays_what_it_was() -> None:
    alerts, told = run([True] * 4 + [None] * 50)
    assert (alerts["d"].state, words(told)) == (State.UNKNOWN, ["fired"])
    assert words(run([True] * 4 + [None] * 50 + [True] * 3)[1]) == ["fired"]
    assert words(run([True] * 4 + [None] * 50 + [False] * 7)[1]) == ["fired", "resolved"]
    assert run([None] * 50) == ({}, [])


def test_what_was_about_to_fire_begins_anew_after_a_gap() -> None:
    assert words(run([True, True, True, None, True, True, True])[1]) == []


def test_what_is_not_there_any_more_is_resolved_with_its_reason() -> None:
    assert words(run([True] * 4 + ["gone"])[1]) == ["fired", "gone"]
    assert run([True, "gone"]) == ({}, [])


def test_a_limit_further_off_keeps_it_firing() -> None:
    between = [Seen(SUBJECT, fires=False, clears=False)] * 20
    alerts: dict[str, Alert] = {}
    told: list[Change] = []
    for number, seen in enumerate([Seen(SUBJECT, True, False)] * 4 + between):
        alerts, changes = evaluate(RULE, alerts, [seen], number * STEP)
        told += changes
    assert (alerts["d"].state, words(told)) == (State.FIRING, ["fired"])


truths = st.lists(st.sampled_from([True, False, None, "gone"]), max_size=120)
rules = st.builds(
    Rule,
    name=st.just("r"),
    on=st.just("domains"),
    when=st.just("steal>10"),
    hold=st.sampled_from([0.0, 20.0, 100.0]),
    rest=st.sampled_from([0.0, 20.0, 100.0]),
)


@given(truths, rules, st.lists(st.integers(0, 119)))
def test_a_restart_in_the_middle_changes_nothing(seen: list[Truth | str], rule: Rule, restarts: list[int]) -> None:
    assert run(seen, rule, restarts) == run(seen, rule)


@given(truths, rules)
def test_what_fires_is_resolved_before_it_fires_again(seen: list[Truth | str], rule: Rule) -> None:
    alerts, told = run(seen, rule)
    assert [one.is_resolved for one in told] == [number % 2 == 1 for number in range(len(told))]
    assert (len(told) % 2 == 1) == any(alert.fired is not None for alert in alerts.values())
    assert all(before.at <= after.at for before, after in pairwise(told))


@given(truths, rules)
def test_nothing_fires_that_was_not_so_for_all_of_its_time(seen: list[Truth | str], rule: Rule) -> None:
    for change in run(seen, rule)[1]:
        if not change.is_resolved:
            end = (change.at - 1_000_000) // STEP
            begin = end - int(rule.hold * 1000) // STEP
            assert begin >= 0
            assert all(truth is True for truth in seen[begin : end + 1])
