"""Rules in a TOML file: a table for each, named as the rule.

[steal]
on = "domains"
when = "steal>10"
clear = "steal<5"
for = "5m"
severity = "warning"
text = "It waits for CPU that others use."
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from typing import Any

from virtscope.alerts.rule import Rule, Severity, condition
from virtscope.errors import BadInput
from virtscope.settings.kinds import Duration, Unreadable
from virtscope.settings.sources import parse as parse_toml

_TIME = Duration(0, 7 * 86_400)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise Unreadable("is no text: texts stand in quotes")
    return value


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise Unreadable("is neither true nor false")
    return value


def _severity(value: object) -> Severity:
    try:
        return Severity(_text(value))
    except ValueError:
        raise Unreadable(f"is none of {', '.join(Severity)}") from None


_KEYS: Mapping[str, tuple[str, Callable[[object], Any]]] = {
    "on": ("on", _text),
    "when": ("when", _text),
    "where": ("where", _text),
    "clear": ("clear", _text),
    "for": ("hold", _TIME.read),
    "rest": ("rest", _TIME.read),
    "severity": ("severity", _severity),
    "text": ("text", _text),
    "enabled": ("enabled", _switch),
}
"""The keys of a rule: the field of each, and how it is read."""


def read(text: str, name: str) -> tuple[Rule, ...]:
    """The rules of a TOML text.

    Args:
        text: the file's content.
        name: what the file is called in what is said of it.

    Raises:
        BadInput: it is no TOML, or a rule in it makes no sense; the message begins with ``name:line``.
    """
    try:
        tables = parse_toml(text, name)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{name} is no TOML: {error}", 'Texts stand in quotes: when = "steal>10"') from None
    return tuple(_rule(key, written.value, _Place(text, written.place)) for key, written in tables.items())


def defaults() -> tuple[Rule, ...]:
    """The rules that every server begins with."""
    return read(files("virtscope.alerts").joinpath("defaults.toml").read_text(), "defaults.toml")


def written(rules: Iterable[Rule]) -> str:
    """Rules as such a file."""
    return "\n".join(_written(rule) for rule in rules)


class _Place:
    """Where a table begins, and the lines of its keys."""

    def __init__(self, text: str, place: str) -> None:
        self._name, _, line = place.rpartition(":")
        self._first = int(line) if line.isdigit() else 0
        self._lines = text.splitlines()[self._first :]
        self.table = place

    def of(self, key: str) -> str:
        for number, line in enumerate(self._lines, self._first + 1):
            if line.lstrip().startswith("["):
                break
            if re.match(rf"""\s*["']?{re.escape(key)}["']?\s*=""", line):
                return f"{self._name}:{number}"
        return self.table


def _rule(name: str, table: object, place: _Place) -> Rule:
    if not isinstance(table, Mapping):
        raise BadInput(f"{place.table}: {name!r} is no rule", f"A rule is a table: [{name}]")
    given: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS:
            raise BadInput(f"{place.of(key)}: a rule has no {key!r}", f"It has: {', '.join(_KEYS)}")
        field, reading = _KEYS[key]
        try:
            given[field] = reading(value)
        except Unreadable as error:
            raise BadInput(f"{place.of(key)}: {key} = {value!r} {error}", f"It is the rule {name!r}.") from None
    for key in ("on", "when"):
        if key not in given:
            raise BadInput(f"{place.table}: the rule {name!r} does not say {key!r}", 'As: on = "hosts", when = "…"')
    rule = Rule(name, **given)
    try:
        condition(rule)
    except BadInput as error:
        part = str(error).removeprefix(f"{name}: ").partition(":")[0]
        raise BadInput(f"{place.of(part)}: {error}", error.hint) from None
    return rule


def _written(rule: Rule) -> str:
    lines = [f"[{rule.name}]", f"on = {_quoted(rule.on)}"]
    lines += [f"{key} = {_quoted(text)}" for key in ("where", "when", "clear") if (text := getattr(rule, key))]
    lines += [f'for = "{_TIME.show(rule.hold)}"', f'rest = "{_TIME.show(rule.rest)}"', f'severity = "{rule.severity}"']
    if rule.text:
        lines.append(f"text = {_quoted(rule.text)}")
    if not rule.enabled:
        lines.append("enabled = false")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A string: those of JSON are TOML's too, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
