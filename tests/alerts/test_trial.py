"""When a rule would have fired."""

from __future__ import annotations

from tests.alerts.worlds import domain
from virtscope.alerts.rule import Rule, condition
from virtscope.alerts.trial import Past, figures_of, trial

TIMES = range(60_000, 60_000 * 61, 60_000)
STEAL = condition(Rule("r", "domains", "steal>10", clear="steal<5", hold=300.0, rest=120.0))


def past(*stretches: tuple[int, float | None], **facts: str) -> Past:
    values = [value for minutes, value in stretches for _ in range(minutes)]
    return Past(domain(steal_ratio=0.0, **facts), {"steal_ratio": values + [0.0] * (60 - len(values))})  # type: ignore[arg-type]


def test_it_needs_the_figures_that_decide() -> None:
    assert figures_of(STEAL) == ("steal_ratio",)


def test_each_stretch_is_found() -> None:
    found = trial(STEAL, [past((10, 0.01), (10, 0.3), (20, 0.01), (15, 0.5))], TIMES)
    assert [((one.since, one.fired), one.resolved, one.worst) for one in found] == [
        ((660_000, 960_000), 1_380_000, 0.3),
        ((2_460_000, 2_760_000), 3_480_000, 0.5),
    ]


def test_what_lasts_still_is_not_resolved() -> None:
    (one,) = trial(STEAL, [past((30, 0.0), (30, 0.2))], TIMES)
    assert one.resolved is None


def test_gaps_and_short_stretches_fire_nothing() -> None:
    assert trial(STEAL, [past((10, 0.0), (4, 0.9), (46, 0.0))], TIMES) == []
    assert trial(STEAL, [past((60, None))], TIMES) == []
    assert trial(STEAL, [past((10, 0.0), (4, 0.9), (1, None), (4, 0.9), (41, 0.0))], TIMES) == []


def test_only_the_rules_objects_are_tried() -> None:
    narrow = condition(Rule("r", "domains", "steal>10", where="name:web", hold=0.0))
    assert trial(narrow, [past((60, 0.9), name="db")], TIMES) == []
    assert len(trial(narrow, [past((60, 0.9), name="web")], TIMES)) == 1
