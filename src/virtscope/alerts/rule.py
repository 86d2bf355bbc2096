"""A rule: when somebody is to be told, as data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from virtscope.errors import BadInput
from virtscope.search import Field, Predicate, fields_of, matching, parse

KINDS = ("hosts", "domains", "disks", "nics", "pools", "agents", "findings")
"""What a rule may speak of."""
LONGEST_TEXT = 500
LONGEST_TIME = 7 * 86_400.0
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class Severity(StrEnum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Rule:
    """When somebody is to be told. Conditions are searches, as ``steal>10``: see ``virtscope.search``."""

    name: str
    on: str
    """Of which kind the objects are: one of KINDS."""
    when: str
    """What is wrong with an object that this is true of."""
    where: str = ""
    """Of which objects; empty is all."""
    clear: str = ""
    """What must be true for it to be over; empty: that ``when`` is not. A limit further off keeps it from flapping."""
    hold: float = 300.0
    """Seconds for which it must be so before anybody is told (``for`` in a file)."""
    rest: float = 300.0
    """Seconds for which it must be over before that is told: what comes back within them has never been away."""
    severity: Severity = Severity.WARNING
    text: str = ""
    """What to say of it: what it means, and what to do."""
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule made ready to be asked about objects."""

    rule: Rule
    applies: Predicate
    fires: Predicate
    clears: Predicate
    needs: tuple[Field, ...]
    """What ``when`` asks for. Where nothing of it is known of an object, the rule says nothing of that."""

    @property
    def shown(self) -> Field | None:
        """The figure that decides: the first that ``when`` names; None where it names texts only."""
        return next((field for field in self.needs if field.unit is not None), None)


def condition(rule: Rule) -> Condition:
    """Make a rule ready.

    Raises:
        BadInput: the rule makes no sense; the message names the part of it that does not.
    """
    _require(rule)
    fields = fields_of(rule.on)
    found: dict[str, Predicate] = {}
    for part in ("where", "when", "clear"):
        try:
            found[part] = matching(parse(getattr(rule, part)), fields)
        except BadInput as error:
            raise BadInput(f"{rule.name}: {part}: {error}", error.hint) from None
    when = parse(rule.when)
    if when.is_empty:
        raise BadInput(f"{rule.name}: when: it is empty", "Say what is wrong with an object, as: when = 'steal>10'")
    fires = found["when"]
    needs = dict.fromkeys(fields[asked.field] for asked in reversed(list(when.conditions())))
    return Condition(
        rule,
        found["where"],
        fires,
        found["clear"] if rule.clear else lambda item: not fires(item),
        # Asking whether a figure is unknown needs nothing.
        tuple(needs) if "unknown" not in rule.when else (),
    )


def _require(rule: Rule) -> None:
    for problem, hint in _problems(rule):
        raise BadInput(f"{rule.name or 'a rule'}: {problem}", hint)


def _problems(rule: Rule) -> Iterator[tuple[str, str]]:
    if not _NAME.fullmatch(rule.name):
        yield f"{rule.name!r} is no name for a rule", "Small letters, digits and hyphens, as: disk-latency"
    if rule.on not in KINDS:
        yield f"there are no {rule.on!r} to watch", f"Choose of: {', '.join(KINDS)}"
    for name, seconds in (("for", rule.hold), ("rest", rule.rest)):
        if not 0 <= seconds <= LONGEST_TIME:
            yield f"{name} is {seconds:g} s", "From 0 to 7 days."
    if len(rule.text) > LONGEST_TEXT:
        yield f"text has more than {LONGEST_TEXT} characters", "Say it shorter."
