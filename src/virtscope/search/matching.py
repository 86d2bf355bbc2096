"""A search and the fields there are, into a test of one item."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, TypeAlias

from virtscope.catalogue import Unit
from virtscope.errors import BadInput
from virtscope.search.fields import Field, Item
from virtscope.search.language import All, Condition, Node, Not, Query, Word, wrong
from virtscope.search.language import Any as Either

Predicate: TypeAlias = Callable[[Item], bool]

UNKNOWN = "unknown"
_NUMBER = r"(-?\d+(?:\.\d+)?)\s*([A-Za-zµ%/]*)"
_BINARY = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
_TIMES = {"": 1, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_EXAMPLES: Mapping[Unit, str] = {
    Unit.RATIO: "80 (per cent)",
    Unit.BYTES: "512M, 4G",
    Unit.BYTES_PER_SECOND: "100K, 10M",
    Unit.SECONDS: "5ms, 2s, 10m",
    Unit.CORES: "1.5",
    Unit.COUNT: "4, 10k",
    Unit.PER_SECOND: "100, 5k",
}


def matching(query: Query, fields: Mapping[str, Field]) -> Predicate:
    """Whether an item is what the search looks for.

    Raises:
        BadInput: it names a field that there is not, or compares it with what makes no sense there.
    """
    return _node(query, query.root, fields)


def _node(query: Query, node: Node, fields: Mapping[str, Field]) -> Predicate:
    match node:
        case Word(text):
            return _word(text, fields)
        case Not(part):
            inner = _node(query, part, fields)
            return lambda item: not inner(item)
        case All(parts):
            every = [_node(query, part, fields) for part in parts]
            return lambda item: all(test(item) for test in every)
        case Either(parts):
            some = [_node(query, part, fields) for part in parts]
            return lambda item: any(test(item) for test in some)
        case Condition():
            return _condition(query, node, fields)


def _word(text: str, fields: Mapping[str, Field]) -> Predicate:
    wanted = text.casefold()
    names = [field.value for field in dict.fromkeys(fields.values()) if field.is_name]
    return lambda item: any(wanted in str(found).casefold() for name in names if (found := name(item)) is not None)


def _condition(query: Query, asked: Condition, fields: Mapping[str, Field]) -> Predicate:
    field = fields.get(asked.field)
    if field is None:
        raise wrong(
            query.text,
            asked.at,
            f"nothing is called {asked.field!r} here",
            _near(asked.field, fields),
            len(asked.field),
        )
    tests = [_test(query, asked, field, value) for value in asked.values]
    value_of = field.value
    if asked.operator == "!=":
        return lambda item: not any(test(value_of(item)) for test in tests)
    return lambda item: any(test(value_of(item)) for test in tests)


def _test(query: Query, asked: Condition, field: Field, value: str) -> Callable[[Any], bool]:
    if value.casefold() == UNKNOWN and asked.operator in (":", "=", "!="):
        # A state may itself be called so.
        return lambda found: found is None or found == "" or str(found).casefold() == UNKNOWN
    if field.unit is None:
        return _text(query, asked, value)
    if asked.operator == ":" and ".." in value:
        low, high = (_number(query, asked, field.unit, end) for end in value.split("..", 1))
        return lambda found: found is not None and low <= found <= high
    wanted = _number(query, asked, field.unit, value)
    match asked.operator:
        case "<":
            return lambda found: found is not None and found < wanted
        case "<=":
            return lambda found: found is not None and found <= wanted
        case ">":
            return lambda found: found is not None and found > wanted
        case ">=":
            return lambda found: found is not None and found >= wanted
    return lambda found: found is not None and math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-12)


def _text(query: Query, asked: Condition, value: str) -> Callable[[Any], bool]:
    wanted = value.casefold()
    if asked.operator in ("<", "<=", ">", ">="):
        hint = f"Examples: {asked.field}:{value} (a part of it), {asked.field}={value} (all of it)."
        raise wrong(query.text, asked.at, f"{asked.field!r} is a text and has no order", hint, len(asked.field) + 1)
    if asked.operator == ":" and ("*" in wanted or "?" in wanted):
        return lambda found: found is not None and fnmatchcase(str(found).casefold(), wanted.replace("[", "[[]"))
    if asked.operator == ":":
        return lambda found: found is not None and wanted in str(found).casefold()
    return lambda found: found is not None and str(found).casefold() == wanted


def _number(query: Query, asked: Condition, unit: Unit, text: str) -> float:
    """A number in base units, written in the units that people see."""
    found = re.fullmatch(_NUMBER, text.strip())
    factor = _factor(unit, found[2]) if found else None
    if found is None or factor is None:
        name = asked.field
        hint = f"Examples: {name}>VALUE with {_EXAMPLES.get(unit, '5')}; {name}:20..50; {name}:unknown."
        length = len(asked.field) + len(asked.operator) + len(text)
        raise wrong(query.text, asked.at, f"{text!r} is no number for {asked.field!r}", hint, length)
    return float(found[1]) * factor


def _factor(unit: Unit, suffix: str) -> float | None:
    match unit:
        case Unit.RATIO:
            return 0.01 if suffix in ("", "%") else None
        case Unit.BYTES | Unit.BYTES_PER_SECOND:
            short = re.sub(r"(ib|b)$", "", suffix.lower().removesuffix("/s"))
            return _BINARY.get(short)
        case Unit.SECONDS | Unit.TIMESTAMP:
            return _TIMES.get(suffix.lower())
    return _DECIMAL.get(suffix.lower().removesuffix("/s"))


def _near(name: str, fields: Mapping[str, Field]) -> str:
    near = difflib.get_close_matches(name, fields, 3, 0.6)
    meant = f"Did you mean {' or '.join(near)}? " if near else ""
    return f"{meant}There are: {', '.join(sorted(fields))}."


def sorting(name: str, fields: Mapping[str, Field]) -> tuple[Field, bool]:
    """The field to sort by, and whether from the end (``-cpu``).

    Raises:
        BadInput: there is none of that name.
    """
    plain = name.removeprefix("-").strip().lower().replace(" ", "_")
    if plain not in fields:
        raise BadInput(f"cannot sort by {plain!r}: nothing is called so here", _near(plain, fields))
    return fields[plain], name.startswith("-")


def ordered(items: list[Any], value: Callable[[Any], Any], *, descending: bool) -> list[Any]:
    """Items by a value: texts as people read them, what is not known last, either way. Equal ones keep their order."""
    known = [(key, item) for item in items if (key := _order(value(item))) is not None]
    rest = [item for item in items if _order(value(item)) is None]
    known.sort(key=lambda pair: pair[0], reverse=descending)
    return [item for _, item in known] + rest


def _order(value: Any) -> tuple[int, Any] | None:
    if value is None or value == "":
        return None
    if isinstance(value, (int, float)):
        return None if math.isnan(value) else (0, value)
    # web-2 before web-10
    parts = re.split(r"(\d+)", str(value).casefold())
    return (1, [(0, int(part), "") if part.isdecimal() and len(part) < 1000 else (1, 0, part) for part in parts])
