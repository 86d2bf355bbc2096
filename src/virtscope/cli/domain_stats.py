"""``virtscope stats``: the figures of domains as keys and values, in groups as ``virsh domstats`` has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from virtscope import text
from virtscope.cli import output as out
from virtscope.cli.columns import Column
from virtscope.cli.formats import Format
from virtscope.cli.listing import Chosen
from virtscope.cli.source import Item, Source

_FIGURES = {
    "cpu-total": ("cpu.", ("cpu_cores", "cpu_ratio", "steal_ratio")),
    "balloon": (
        "balloon.",
        (
            "memory_current",
            "memory_maximum",
            "memory_used",
            "memory_used_ratio",
            "memory_cache",
            "memory_rss",
            "swap_in",
            "swap_out",
            "major_faults",
        ),
    ),
}
_PARTS = {
    "vcpu": ("vcpu", "vcpus", ("vcpu",)),
    "interface": ("net", "nics", ("target", "mac")),
    "block": ("block", "disks", ("target", "source")),
    "iothread": ("iothread", "iothreads", ("iothread",)),
    "perf": ("perf", "perf", ("event",)),
}
"""Each group's prefix, where its objects are in a domain, and what is told of them beside figures."""


def _value(value: object) -> object:
    """A value as virsh writes it: bytes and counts are whole."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


_COLUMNS = (
    Column("DOMAIN", lambda line: line["domain"]),
    Column("KEY", lambda line: line["key"]),
    Column("VALUE", lambda line: _value(line["value"]), str),
)


def found(source: Source, names: Sequence[str], wanted: Chosen, groups: Sequence[str]) -> list[Item]:
    """The domains asked for, each with its keys and values.

    Raises:
        NotFound: there is no domain of such a name.
    """
    items = [source.domain(name) for name in names] if names else source.items("domains")
    chosen = wanted.of(items)
    needs_parts = any(group in _PARTS for group in groups)
    whole = (source.domain(item["id"]) if needs_parts and "vcpus" not in item else item for item in chosen)
    return [
        {"domain": item["name"], "id": item["id"], "host": item["host_name"], "stats": dict(_stats(item, groups))}
        for item in whole
    ]


def write(console: Console, items: Sequence[Item], form: Format, *, headers: bool = True) -> None:
    """Write them: for people as virsh does, for machines as objects."""
    if form in (Format.TABLE, Format.WIDE):
        for item in items:
            console.print(Text(f"Domain: '{text.plain(item['domain'])}'"), soft_wrap=True)
            for key, value in item["stats"].items():
                console.print(Text(f"  {text.plain(key)}={text.plain(_value(value))}"), soft_wrap=True)
            console.print()
        return
    lines = [
        {"domain": item["domain"], "key": key, "value": value} for item in items for key, value in item["stats"].items()
    ]
    out.write(console, lines if form is Format.CSV else items, _COLUMNS, form, headers=headers)


def _stats(item: Item, groups: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for group in groups:
        if group == "state":
            yield "state.state", item["state"]
            if item["state_reason"]:
                yield "state.reason", item["state_reason"]
        elif group in _FIGURES:
            prefix, names = _FIGURES[group]
            yield from _known(prefix, {name: item["figures"].get(name) for name in names})
        else:
            prefix, place, about = _PARTS[group]
            parts = item.get(place) or []
            yield f"{prefix}.count", len(parts)
            for number, part in enumerate(parts):
                yield from _known(f"{prefix}.{number}.", {name: part[name] for name in about} | part["figures"])


def _known(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What is known of it: virsh leaves the rest out, too."""
    for name, value in values.items():
        if value is not None:
            yield f"{prefix}{name}", value
