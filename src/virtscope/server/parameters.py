"""What a request asks for, checked: quantities, objects, a range, within limits."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from virtscope.catalogue import QUANTITY, Quantity, Scope
from virtscope.errors import BadInput, NotFound, TooLarge
from virtscope.server.fleet import Directory
from virtscope.store import Range

LARGEST_ANSWER = 2_000_000
"""Values in one answer."""
LARGEST_SUMMARY = 50_000_000
"""Values that a summary may rest on; SKETCHED_SUMMARY where most of them are added up already."""
SKETCHED_SUMMARY = 500_000_000
LARGEST_EXPORT = 200_000_000
"""Values in a file: some gigabytes as text."""
MOST_STEPS = 20_000
MOST_SUMMARISED_STEPS = 600_000
LONGEST_RANGE = 5 * 366 * 86_400
"""Seconds."""
_NICE_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 21_600, 86_400)
_POINTS = 300
"""How many steps a range is cut into where nobody says."""


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects asked for: owners for the store to select, and of their devices only these."""

    owners: Sequence[str]
    """UUIDs of hosts or domains; none means all."""
    devices: frozenset[tuple[str, str]]
    """Owner and device; an owner without an entry has all of its devices in the answer."""

    def wants(self, key: dict[str, str | int]) -> bool:
        """Whether an object of the store's answer was asked for."""
        if not self.devices:
            return True
        owner, *device = (str(part) for part in key.values())
        narrowed = [wanted for of, wanted in self.devices if of == owner]
        return not narrowed or any(wanted in device for wanted in narrowed)


def quantities(scope: Scope, names: Sequence[str]) -> list[Quantity]:
    """The quantities of these names.

    Raises:
        NotFound: a scope has no such quantity.
    """
    found = []
    for name in dict.fromkeys(names):
        if (scope, name) not in QUANTITY:
            raise NotFound(f"no quantity {name!r} of a {scope.value}", "/api/v1/quantities lists them all.")
        found.append(QUANTITY[scope, name])
    return found


def objects(scope: Scope, names: Sequence[str], fleet: Directory) -> Objects:
    """The objects of these names: ``host``, ``domain`` or ``domain/device``; ids and names will do.

    Raises:
        NotFound: there is no such host or domain.
        Ambiguous: several have this name.
    """
    parted = [name.partition("/") if scope not in (Scope.HOST, Scope.DOMAIN) else (name, "", "") for name in names]
    wanted = [owner for owner, _, _ in parted]
    if scope.is_of_domain:
        found = [family[0].id for family in fleet.domains_named(wanted)]
    else:
        found = [fleet.host(name).id for name in wanted]
    devices = {(owner, device) for owner, (_, _, device) in zip(found, parted, strict=True) if device}
    return Objects(tuple(dict.fromkeys(found)), frozenset(devices))


def span(
    start: float,
    end: float | None,
    step: float | None,
    interval: float,
    *,
    longest: float = math.inf,
    most: int = MOST_STEPS,
) -> Range:
    """A range in whole steps. A negative start counts back from the end; a step that is not given suits the range.

    Args:
        start: Unix seconds.
        end: Unix seconds; None is now.
        step: seconds.
        interval: seconds between two samples.
        longest: how long a step may be that is not given, s.
        most: how many steps there may be.

    Raises:
        BadInput: it ends before it starts, or lies outside of what can be.
        TooLarge: it has too many steps.
    """
    now = time.time()
    finish = now if end is None else end
    begin = finish + start if start < 0 else start
    if not 0 <= begin < finish <= now + LONGEST_RANGE:
        raise BadInput("start must lie before end, and both between 1970 and now", "Times are Unix seconds.")
    if finish - begin > LONGEST_RANGE:
        raise TooLarge(f"a range of {(finish - begin) / 86_400:.0f} days is too long", "Ask for 5 years at most.")
    wanted = max(min((finish - begin) / _POINTS, longest), 2 * interval)
    width = round(step * 1000) if step is not None else _nice(wanted) * 1000
    first, last = int(begin * 1000) // width * width, -(-int(finish * 1000) // width) * width
    if (last - first) // width > most:
        raise TooLarge(
            f"{(last - first) // width:,} steps are too many", f"Choose a longer step: {most:,} steps at most."
        )
    return Range(first, last, width)


def limit(over: Range, quantities: int, objects: int, most: int = LARGEST_ANSWER) -> None:
    """Refuse an answer beyond the limit: of ``most`` values that it has, or rests on.

    Raises:
        TooLarge: it would have too many values.
    """
    values = len(over.times) * quantities * objects
    if values > most:
        raise TooLarge(
            f"the answer would take {values:,} values, {most:,} are the most",
            "Ask for fewer objects, a shorter range or a longer step.",
        )


def _nice(seconds: float) -> int:
    return next((nice for nice in _NICE_STEPS if nice >= seconds), _NICE_STEPS[-1])
