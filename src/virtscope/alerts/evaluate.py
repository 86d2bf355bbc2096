"""Evaluation: the states of a rule's objects at one moment, out of those before it. Pure.

    (nothing) ──it is so──► pending ──for `hold`──► firing ──over for `rest`──► (nothing)
                               └──it is not so──► (nothing)

Told are two things only: *fired* and *resolved*, in turn. An object whose figures are not known (its host is down, its
emulator hangs) keeps what it was: it neither fires nor resolves. So a host that is down says it once for itself, and
nothing for its domains. As states are values, a program that ends and begins again in between changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from virtscope.alerts.rule import Rule


class State(StrEnum):
    """Of one object under one rule."""

    PENDING = "pending"
    FIRING = "firing"
    UNKNOWN = "unknown"
    """It fired, and now nothing is known of it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What an alert speaks of. Its names are its tenant's to choose: hostile."""

    kind: str
    """As in a rule's ``on``."""
    id: str
    """Tells it from all others of its kind."""
    name: str
    host: str = ""
    """The UUID of its host."""
    host_name: str = ""
    domain: str = ""
    """The UUID of its domain, where it is one or part of one."""
    project: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """An object as a rule sees it at one moment."""

    subject: Subject
    fires: bool | None
    """Whether it is so; None: not known."""
    clears: bool | None
    value: float | None = None
    """The figure that decides, in base units."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One object under one rule, while there is anything to say of it. Times are Unix ms."""

    rule: str
    subject: Subject
    since: int
    """When it began to be so."""
    fired: int | None = None
    calm: int | None = None
    """Since when it has been over, though that is not told yet."""
    unknown: int | None = None
    value: float | None = None

    @property
    def state(self) -> State:
        """As people see it."""
        if self.fired is None:
            return State.PENDING
        return State.FIRING if self.unknown is None else State.UNKNOWN


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be told: an alert that has fired, or is resolved."""

    alert: Alert
    at: int
    is_resolved: bool = False
    is_gone: bool = False
    """It is resolved because the object is not there any more, or not among the rule's objects."""


Alerts = Mapping[str, Alert]
"""A rule's alerts by the ids of their subjects."""


def evaluate(rule: Rule, before: Alerts, seen: Iterable[Seen], now: int) -> tuple[dict[str, Alert], list[Change]]:
    """A rule's alerts at a moment.

    Args:
        rule: its times count here.
        before: its alerts at the moment before.
        seen: every object that it is so of, or that had an alert before and is there still.
        now: Unix ms, never before the moment before.

    Returns:
        its alerts now, and what is to be told of them.
    """
    after: dict[str, Alert] = {}
    changes: list[Change] = []
    found = set()
    for one in seen:
        key = one.subject.id
        found.add(key)
        alert = before.get(key)
        if alert is None and one.fires is not True:
            continue
        alert, change = _next(rule, alert, one, now)
        if alert is not None:
            after[key] = alert
        if change is not None:
            changes.append(change)
    for key, alert in before.items():
        if key not in found and alert.fired is not None:
            changes.append(Change(alert, now, is_resolved=True, is_gone=True))
    return after, changes


def _next(rule: Rule, alert: Alert | None, one: Seen, now: int) -> tuple[Alert | None, Change | None]:
    if one.fires is None:
        if alert is None or alert.fired is None:
            return None, None
        return replace(alert, unknown=alert.unknown or now), None
    if alert is None or alert.fired is None:
        return _begun(rule, alert, one, now) if one.fires else (None, None)
    alert = replace(alert, subject=one.subject, unknown=None, value=one.value)
    if one.fires or not one.clears:
        return replace(alert, calm=None), None
    alert = replace(alert, calm=alert.calm or now)
    if now - (alert.calm or now) >= rule.rest * 1000:
        return None, Change(alert, now, is_resolved=True)
    return alert, None


def _begun(rule: Rule, alert: Alert | None, one: Seen, now: int) -> tuple[Alert, Change | None]:
    """It is so, and nobody has been told yet."""
    since = alert.since if alert else now
    begun = Alert(rule.name, one.subject, since, value=one.value)
    if now - since < rule.hold * 1000:
        return begun, None
    fired = replace(begun, fired=now)
    return fired, Change(fired, now)
