"""What is shown, as values: a snapshot and how somebody looks at it, into the lines of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from virtscope import text
from virtscope.cli import alert_columns, columns
from virtscope.cli.columns import Column
from virtscope.cli.source import Item
from virtscope.search import Field, fields_of, matching, owned, parse
from virtscope.search.matching import ordered
from virtscope.top import alarms
from virtscope.top.snapshot import Listed, Snapshot
from virtscope.top.trails import Trails, identity


class Tree(Enum):
    """What the lines are gathered under."""

    NONE = "flat"
    HOST = "by host"
    PROJECT = "by project"


@dataclass(frozen=True, slots=True)
class View:
    """One kind of objects, as a table."""

    kind: Listed
    title: str
    key: str
    """The key that leads here."""
    columns: tuple[Column, ...]
    order: str
    """The column that is sorted by until somebody chooses another."""
    spark: tuple[str, ...]
    """The quantities whose sum the sparkline draws; none: there is no sparkline."""
    full: float | None
    """What its full height stands for; None: the highest value."""
    after: str
    """The column that it follows."""


VIEWS: Mapping[Listed, View] = {
    view.kind: view
    for view in (
        View("hosts", "Hosts", "h", columns.HOSTS, "CPU", ("cpu_ratio",), 1.0, "CPU"),
        View("domains", "Domains", "d", columns.DOMAINS, "CORES", ("cpu_ratio",), 1.0, "CPU"),
        View("disks", "Disks", "b", columns.DISKS, "WRITE", ("read", "write"), None, "WRITE"),
        View("nics", "NICs", "n", columns.NICS, "IN", ("receive", "transmit"), None, "OUT"),
        View("alerts", "Alerts", "a", alert_columns.ALERTS, "SEVERITY", (), None, ""),
    )
}
HISTORY = Column("HISTORY", lambda _item: None)
"""Where the sparkline stands."""
SPARK_WIDTH = 16


@dataclass(frozen=True, slots=True)
class Look:
    """How somebody looks at a kind."""

    kind: Listed = "domains"
    search: str = ""
    order: str = "CORES"
    descending: bool = True
    tree: Tree = Tree.NONE
    wide: bool = False
    closed: frozenset[str] = frozenset()
    """Branches of the tree that are folded."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table: an item, or the branch that those below belong to."""

    key: str
    item: Item | None
    depth: int = 0
    branch: str = ""
    """What a branch says; items have none."""


def shown_columns(look: Look) -> list[Column]:
    """The columns of a look, with the sparkline's."""
    view = VIEWS[look.kind]
    found = [column for column in view.columns if look.wide or not column.wide]
    if not view.spark:
        return found
    place = next(number for number, column in enumerate(found) if column.title == view.after)
    return [*found[: place + 1], HISTORY, *found[place + 1 :]]


def lines(snapshot: Snapshot, look: Look) -> list[Line]:
    """The lines of a table, in their order.

    Raises:
        BadInput: the search makes no sense for this kind.
    """
    items = list(snapshot.of(look.kind))
    if look.kind in ("disks", "nics"):
        items = owned(items, snapshot.of("domains"))
    query, fields = parse(look.search), fields_of(look.kind)
    if not query.is_empty:
        test = matching(query, fields)
        items = [item for item in items if test(item)]
    column = next((one for one in VIEWS[look.kind].columns if one.title == look.order), None)
    if column is not None:
        items = ordered(items, _order_of(column, fields), descending=look.descending)
    found = [Line(identity(look.kind, item), item) for item in items]
    return found if look.tree is Tree.NONE or look.kind == "hosts" else _gathered(found, look)


def _order_of(column: Column, fields: Mapping[str, Field]) -> Callable[[Item], object]:
    field = fields.get(column.title.lower())
    return field.order if field is not None and field.order is not None else column.value


def _gathered(found: Sequence[Line], look: Look) -> list[Line]:
    """The lines under their hosts or projects; branches by name."""
    by = "host" if look.tree is Tree.HOST else "project"
    name_of = fields_of(look.kind)[by].value
    branches: dict[str, list[Line]] = {}
    for line in found:
        branches.setdefault(str(name_of(line.item) or f"(no {by})"), []).append(line)
    gathered = []
    for name in sorted(branches, key=str.casefold):
        key, inside = f"branch {name}", branches[name]
        mark = "▸" if key in look.closed else "▾"
        gathered.append(Line(key, None, 0, f"{mark} {text.plain(name)}  {_sums(look.kind, inside)}"))
        if key not in look.closed:
            gathered += [Line(line.key, line.item, 1) for line in inside]
    return gathered


_SUMS: Mapping[Listed, tuple[tuple[str, str], ...]] = {
    "domains": (("cpu_cores", "cores"), ("memory_current", "memory")),
    "disks": (("read", "read"), ("write", "written")),
    "nics": (("receive", "in"), ("transmit", "out")),
}


def _sums(kind: Listed, inside: Sequence[Line]) -> str:
    """What a branch comes to."""
    parts = [counted(kind, len(inside))]
    for quantity, word in _SUMS.get(kind, ()):
        known = [v for line in inside if line.item and (v := line.item["figures"].get(quantity)) is not None]
        if known:
            total = sum(known)
            shown = text.cores(total) if word == "cores" else text.size(total) if word == "memory" else text.rate(total)
            parts.append(f"{shown} {word}")
    return " · ".join(parts)


def counted(kind: Listed, number: int) -> str:
    """So many of a kind, in words."""
    word = VIEWS[kind].title if kind == "nics" else VIEWS[kind].title.lower()
    return f"{number or 'no'} {word.removesuffix('s') if number == 1 else word}"


def spark_values(trails: Trails, kind: Listed, key: str) -> Sequence[float | None]:
    """What an object's sparkline draws."""
    spark = VIEWS[kind].spark
    if not spark:
        return ()
    return trails.of(kind, key, spark[0]) if len(spark) == 1 else trails.both(kind, key, *spark)


def style_of(column: Column, value: object) -> str:
    """How a cell is coloured: what people should see first."""
    if column.title == "SEVERITY":
        return alarms.mark(str(value)).style
    if not isinstance(value, (int, float)):
        return ""
    limits = {"CPU": (0.75, 0.95), "STEAL": (0.05, 0.1), "USED": (0.85, 0.95), "ERRORS": (0.01, 1), "DROPS": (0.01, 10)}
    if column.title not in limits:
        return ""
    warning, bad = limits[column.title]
    return "bold red" if value >= bad else "yellow" if value >= warning else ""


def summary(snapshot: Snapshot) -> str:
    """The fleet in one line."""
    hosts, domains = snapshot.of("hosts"), snapshot.of("domains")
    up = [host for host in hosts if host["state"] == "up"]
    running = sum(domain["state"] == "running" and not domain["stale"] for domain in domains)

    def total(name: str) -> float | None:
        known = [value for host in up if (value := host["figures"].get(name)) is not None]
        return sum(known) if known else None

    parts = [f"{len(up)} of {len(hosts)} hosts up", f"{running} of {len(domains)} domains running"]
    if (busy := total("cpu_cores")) is not None and (cpus := total("cpus")):
        parts.append(f"CPU {text.cores(busy)} of {text.number(cpus)}")
    if (used := total("memory_used")) is not None and (memory := total("memory_total")):
        parts.append(f"memory {text.size(used)} of {text.size(memory)}")
    if steal := total("steal_cores"):
        parts.append(f"steal {text.cores(steal)} cores")
    return " · ".join(parts)


def problems(snapshot: Snapshot, now: float) -> list[str]:
    """What is down or old, a sentence each."""
    found = []
    if snapshot.problem:
        age = "" if snapshot.answered is None else f"; these figures are {text.duration(now - snapshot.answered)} old"
        found.append(text.plain(f"{snapshot.problem}{age}"))
    if snapshot.unasked and "alerts" in snapshot.items:
        found.append(text.plain(snapshot.unasked))
    for host in snapshot.of("hosts"):
        if host["state"] != "up":
            reason = host["reason"] or "no answer yet"
            found.append(text.plain(f"{host['name']} is {host['state']}: {reason}"))
    return found
