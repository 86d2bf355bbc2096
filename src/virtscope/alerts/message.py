"""The message: what people are told of changes that came at one moment, grouped by rule. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import quote

from virtscope import text
from virtscope.alerts.causes import Cause
from virtscope.alerts.evaluate import Change
from virtscope.alerts.rule import Condition, Severity
from virtscope.catalogue import Unit

MOST_LINES = 20
"""Objects of one rule that a message names; of the others it tells how many there are."""

_SHOW: Mapping[Unit, Callable[[float | None], str]] = {
    Unit.RATIO: text.ratio,
    Unit.BYTES: text.size,
    Unit.BYTES_PER_SECOND: text.rate,
    Unit.SECONDS: text.duration,
    Unit.CORES: lambda value: f"{text.cores(value)} cores",
    Unit.COUNT: text.number,
    Unit.PER_SECOND: text.per_second,
}


@dataclass(frozen=True, slots=True)
class Notice:
    """A change, and what belongs to it."""

    change: Change
    condition: Condition
    causes: Sequence[Cause] = ()

    @property
    def severity(self) -> Severity:
        """Its rule's."""
        return self.condition.rule.severity


@dataclass(frozen=True, slots=True)
class Message:
    """What one receiver is told at one moment."""

    title: str
    body: str
    severity: Severity
    is_resolved: bool
    """Whether all of it is over."""


def message(notices: Sequence[Notice], address: str) -> Message:
    """One message of all that came at one moment; ``address`` is where the page is."""
    fired = [notice for notice in notices if not notice.change.is_resolved]
    over = len(notices) - len(fired)
    counted = [f"{count} {word}" for word, count in (("firing", len(fired)), ("resolved", over)) if count]
    ordered = sorted(notices, key=lambda notice: (notice.change.is_resolved, notice.condition.rule.name))
    groups = [list(group) for _, group in groupby(ordered, key=_group)]
    first = ordered[0]
    title = f"{_word(first)}: {_plain(first.change.alert.subject.name)}" if len(notices) == 1 else ", ".join(counted)
    return Message(
        f"[virtscope] {title} ({', '.join(dict.fromkeys(group[0].condition.rule.name for group in groups))})"[:200],
        "\n\n".join("\n".join(_lines(group, address)) for group in groups),
        max((notice.severity for notice in notices), key=list(Severity).index),
        is_resolved=not fired,
    )


def shown(value: float | None, condition: Condition) -> str:
    """The figure that decides, as people read it; empty where there is none."""
    field = condition.shown
    return "" if field is None or field.unit is None or value is None else _SHOW[field.unit](value)


def in_words(causes: Iterable[Cause]) -> str:
    """Who may be the reason: ``db1 uses 3.90 cores, web uses 1.02 cores``."""
    return ", ".join(f"{_plain(cause.name)} uses {_SHOW[cause.unit](cause.value)}" for cause in causes)


def _group(notice: Notice) -> tuple[bool, str]:
    return notice.change.is_resolved, notice.condition.rule.name


def _word(notice: Notice) -> str:
    return "resolved" if notice.change.is_resolved else notice.severity.value


def _lines(group: Sequence[Notice], address: str) -> Iterable[str]:
    rule = group[0].condition.rule
    yield f"{_word(group[0]).upper()} {rule.name}: {rule.when}"
    if rule.text and not group[0].change.is_resolved:
        yield rule.text
    for notice in group[:MOST_LINES]:
        yield f"- {_line(notice)}"
        if notice.causes and not notice.change.is_resolved:
            yield f"  Using most beside it: {in_words(notice.causes)}."
        yield f"  {_link(notice, address)}"
    if len(group) > MOST_LINES:
        yield f"… and {len(group) - MOST_LINES} more: {address}alerts"


def _line(notice: Notice) -> str:
    alert, subject = notice.change.alert, notice.change.alert.subject
    where = f" on {_plain(subject.host_name)}" if subject.host_name and subject.kind != "hosts" else ""
    if notice.change.is_gone:
        return f"{_plain(subject.name)}{where}: not there any more"
    seconds = (notice.change.at - alert.since) / 1000
    lasted = f", for {text.duration(seconds)}" if seconds > 0 else ""
    value = shown(alert.value, notice.condition)
    return f"{_plain(subject.name)}{where}{f': {value}' if value else ''}{lasted}"


def _link(notice: Notice, address: str) -> str:
    subject = notice.change.alert.subject
    if subject.domain:
        return f"{address}domains/{quote(subject.domain)}"
    return f"{address}hosts/{quote(subject.host)}" if subject.host else f"{address}agents"


def _plain(name: str) -> str:
    """A tenant's name as one harmless line, not longer than a line."""
    return text.plain(name)[:100]
