"""A trial: when a rule would have fired, had it been there. Pure: history comes in as series.

Figures are taken from the past; what has none (a state, a project) is taken as it is now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from virtscope.alerts.evaluate import Alert, Seen, Subject, evaluate
from virtscope.alerts.observe import Item, subject
from virtscope.alerts.rule import Condition


@dataclass(frozen=True, slots=True)
class Past:
    """An object as it is now, and its figures over a range: a value for each step, None where nothing is known."""

    item: Item
    figures: Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True)
class Firing:
    """A stretch for which a rule would have fired. Unix ms; ``resolved`` None: it would still."""

    subject: Subject
    since: int
    """When it began to be so."""
    fired: int
    resolved: int | None
    worst: float | None
    """The figure that decides, where it was furthest beyond; base units."""


def figures_of(condition: Condition) -> tuple[str, ...]:
    """The quantities whose history a trial needs."""
    return tuple(dict.fromkeys(field.name for field in condition.needs if field.unit is not None))


def trial(condition: Condition, pasts: Sequence[Past], times: Sequence[int]) -> list[Firing]:
    """Every stretch for which a rule would have fired, by its beginning.

    Args:
        condition: the rule.
        pasts: the objects, with the figures that ``figures_of`` names.
        times: the end of each step, Unix ms.
    """
    found = [firing for past in pasts for firing in _of(condition, past, times)]
    return sorted(found, key=lambda firing: (firing.fired, firing.subject.name))


def _of(condition: Condition, past: Past, times: Sequence[int]) -> Iterator[Firing]:
    kind = condition.rule.on
    if not condition.applies(past.item):
        return
    one = subject(kind, past.item)
    alerts: dict[str, Alert] = {}
    values: list[float] = []
    for step, at in enumerate(times):
        seen = _seen(condition, one, past, step)
        alerts, changes = evaluate(condition.rule, alerts, [seen], at)
        if alerts and seen.value is not None:
            values.append(seen.value)
        for change in changes:
            if change.is_resolved:
                yield _firing(change.alert, change.at, values, condition)
        if not alerts:
            values = []
    for alert in alerts.values():
        if alert.fired is not None:
            yield _firing(alert, None, values, condition)


def _seen(condition: Condition, one: Subject, past: Past, step: int) -> Seen:
    figures = {**past.item["figures"], **{name: series[step] for name, series in past.figures.items()}}
    item = {**past.item, "figures": figures}
    needs = [field.value(item) for field in condition.needs]
    shown = condition.shown
    value = shown.value(item) if shown else None
    if needs and all(value is None for value in needs):
        return Seen(one, None, None, value)
    return Seen(one, condition.fires(item), condition.clears(item), value)


def _firing(alert: Alert, resolved: int | None, values: Sequence[float], condition: Condition) -> Firing:
    below = "<" in condition.rule.when and ">" not in condition.rule.when
    worst = (min if below else max)(values) if values else None
    return Firing(alert.subject, alert.since, alert.fired or alert.since, resolved, worst)
