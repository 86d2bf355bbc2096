"""What fires: how much of it, and the mark beside whatever it fires for. A silenced alert marks nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.text import Text

from virtscope import text
from virtscope.cli.source import Item
from virtscope.top.snapshot import Listed, Snapshot
from virtscope.top.trails import identity


@dataclass(frozen=True, slots=True)
class Mark:
    """How a severity is shown: told from the others without colours, too."""

    symbol: str
    style: str


MARKS: Mapping[str, Mark] = {
    "critical": Mark("▲", "bold red"),
    "warning": Mark("△", "yellow"),
    "info": Mark("◇", "cyan"),
}
"""By severity, the gravest first."""


def mark(severity: str) -> Mark:
    """How a severity is shown; one that only a newer server knows like the mildest."""
    return MARKS.get(severity, MARKS["info"])


def _rank(severity: str) -> int:
    return list(MARKS.values()).index(mark(severity))


def firing(snapshot: Snapshot) -> list[Item]:
    """The alerts that fire and are not silenced."""
    return [alert for alert in snapshot.of("alerts") if alert["state"] == "firing" and not alert["silenced"]]


def count(snapshot: Snapshot) -> Text:
    """How many alerts of each severity fire; empty where nobody asks rules."""
    if "alerts" not in snapshot.items:
        return Text("")
    found = Counter(alert["severity"] for alert in firing(snapshot))
    parts = [
        Text(f"{mark(name).symbol} {found[name]} {text.plain(name)}", mark(name).style)
        for name in sorted(found, key=_rank)
    ]
    return Text(" · ").append_text(Text(" ").join(parts) if parts else Text("no alerts", "dim"))


def severity_of(snapshot: Snapshot, kind: Listed) -> Callable[[Item], str | None]:
    """The gravest severity of what fires for an item of a kind; None: nothing does.

    A domain has what fires for its devices and findings too, a host what fires for its pools.
    """
    gravest: dict[str, str] = {}
    for alert in sorted(firing(snapshot), key=lambda one: _rank(one["severity"]), reverse=True):
        gravest[_whose(kind, alert)] = alert["severity"]
    gravest.pop("", None)
    return lambda item: gravest.get(_key(kind, item))


def _whose(kind: Listed, alert: Item) -> str:
    """The key of what an alert marks among items of a kind; empty: nothing there."""
    subject = alert["subject"]
    match kind:
        case "hosts":
            return "" if subject["domain"] else f"{subject['host']}"
        case "domains":
            return f"{subject['domain']}"
        case "alerts":
            return identity(kind, alert)
    return f"{subject['id']}" if subject["kind"] == kind else ""


def _key(kind: Listed, item: Item) -> str:
    """What an item is called by its alerts (``alerts/observe.py``)."""
    return f"{item['domain']} {item['mac'] or item['target']}" if kind == "nics" else identity(kind, item)


def of_domain(snapshot: Snapshot, domain: str) -> list[Text]:
    """What fires for a domain (its UUID), a line each."""
    return [_line(alert) for alert in firing(snapshot) if alert["subject"]["domain"] == domain]


def _line(alert: Item) -> Text:
    shown = mark(alert["severity"])
    told = f"{alert['rule']}: {alert['subject']['name']} {alert['shown']} ({alert['condition']})"
    return Text(f"{shown.symbol} {text.plain(told)}, {text.ago(alert['since'])}", shown.style)
