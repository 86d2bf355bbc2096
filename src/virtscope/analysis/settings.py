"""What may be set of an analysis: declared once, for the command line, the API, the configuration and the docs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from virtscope.errors import BadInput
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Duration, Listed, Number, Text

T = TypeVar("T")

HOUR, DAY = 3_600.0, 86_400.0
"""Seconds."""

EXCLUDE: Setting[tuple[str, ...]] = Setting(
    "exclude", Listed(Text("GLOB")), (), "Domains to leave out, by name or UUID; * and ? stand for anything."
)
EXCLUDE_PROJECTS: Setting[tuple[str, ...]] = Setting(
    "exclude-projects", Listed(Text("GLOB")), (), "Projects whose domains are left out, by name or id."
)
EXCLUDE_LABELS: Setting[tuple[str, ...]] = Setting(
    "exclude-labels",
    Listed(Text("GLOB")),
    (),
    "Labels whose domains are left out, as key=value. Labels are what stands in a domain's metadata.",
)
MAINTENANCE: Setting[tuple[str, ...]] = Setting(
    "maintenance", Listed(Text("GLOB")), (), "Hosts that are in maintenance, by name or UUID."
)
COMMON: tuple[Setting[Any], ...] = (EXCLUDE, EXCLUDE_PROJECTS, EXCLUDE_LABELS, MAINTENANCE)
"""What every analysis knows."""


def window(default: float) -> Setting[float]:
    """How far an analysis looks back. The default is in seconds."""
    return Setting("window", Duration(60, 400 * DAY), default, "How far to look back.")


def step(default: float = 300.0) -> Setting[float]:
    """The steps that a window is cut into. The default is in seconds."""
    return Setting(
        "step",
        Duration(1, DAY),
        default,
        "The steps that the window is cut into; a figure is the average over a step.",
    )


def coverage(default: float = 0.5) -> Setting[float]:
    """How much of a window must be known. The default is a share."""
    return Setting(
        "coverage",
        Number(0, 1, "of the steps"),
        default,
        "The least share of the window that must be known; with less, the verdict is 'insufficient data'.",
    )


@dataclass(frozen=True, slots=True)
class Settings:
    """The values of one analysis's settings."""

    values: Mapping[str, Any]

    def __getitem__(self, setting: Setting[T]) -> T:
        value: T = self.values[setting.name]
        return value


def read(analysis: str, declared: Sequence[Setting[Any]], given: Mapping[str, str]) -> Settings:
    """The values: what was given, and the defaults of the rest.

    Raises:
        BadInput: there is no such setting, or it has a value that makes no sense; it names both.
    """
    known = {setting.name: setting for setting in declared}
    hint = f"{analysis} has: {', '.join(known)}."
    values = {name: setting.default for name, setting in known.items()}
    for name, raw in given.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            meant = f"; is {near[0]!r} meant?" if near else ""
            raise BadInput(f"{analysis} has no setting {name!r}{meant}", hint)
        try:
            values[name] = known[name].read(raw)
        except ValueError as error:
            bounds = known[name].kind.bounds
            raise BadInput(f"{analysis}: {name} = {raw!r} {error}", f"It may be {bounds}." if bounds else "") from None
    return Settings(values)


def pairs(given: Sequence[str]) -> dict[str, str]:
    """``key=value`` as people write it.

    Raises:
        BadInput: one has no ``=``, or a key is there twice.
    """
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals or not name:
            raise BadInput(f"{text!r} is no setting", "Write key=value, as window=7d.")
        if name in found:
            raise BadInput(f"{name} is set twice: {found[name]!r} and {value!r}", "Write several values in one.")
        found[name] = value
    return found
