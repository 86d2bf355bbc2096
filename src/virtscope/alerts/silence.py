"""Silences and maintenance: what is known, and need not be told, for a time. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass

from virtscope.alerts.evaluate import Alert, Subject
from virtscope.errors import BadInput
from virtscope.search import Field, matching, named, parse

FIELDS = named(
    (
        Field("rule", lambda item: item["rule"], "The rule's name.", is_name=True),
        Field("kind", lambda item: item["kind"], "hosts, domains, disks, nics, pools, agents."),
        Field("name", lambda item: item["name"], "The object's name.", is_name=True),
        Field("id", lambda item: item["id"], "Its identifier.", is_name=True),
        Field("host", lambda item: item["host_name"], "The host that it is or is on.", is_name=True),
        Field("project", lambda item: item["project"], "Its project (OpenStack)."),
        Field("severity", lambda item: item["severity"], "info, warning, critical."),
    )
)
"""What a silence may ask of an alert."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch of time in which nothing is told of some alerts. Times are Unix ms."""

    id: int
    where: str
    """Of which alerts: a search over FIELDS; empty is all."""
    begins: int
    ends: int
    reason: str
    by: str
    """Who has made it."""


Silenced = Callable[[Alert, str], bool]
"""Whether an alert of a severity is silenced."""


def silenced(silences: Iterable[Silence], now: int) -> Silenced:
    """A test by the silences that count at a moment (Unix ms). One that makes no sense any more silences nothing."""
    tests = []
    for one in silences:
        if one.begins <= now < one.ends:
            with suppress(BadInput):  # it was made when a search had other fields
                tests.append(matching(parse(one.where), FIELDS))
    return lambda alert, severity: any(test(item(alert, severity)) for test in tests)


def item(alert: Alert, severity: str) -> dict[str, str]:
    """An alert as it is searched."""
    subject: Subject = alert.subject
    return {
        "rule": alert.rule,
        "kind": subject.kind,
        "name": subject.name,
        "id": subject.id,
        "host_name": subject.host_name,
        "project": subject.project,
        "severity": severity,
    }
