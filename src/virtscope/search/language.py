"""A search as people type it, into a tree of conditions. It knows nothing of what is searched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from virtscope.errors import BadInput

LONGEST = 2_000
"""Characters of a search."""
DEEPEST = 50
"""Parentheses within each other."""

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<open>\() | (?P<close>\))
  | (?P<minus>-)(?=[^\s)])
  | (?P<field>[A-Za-z][A-Za-z0-9_.]*)(?P<operator>!=|>=|<=|[:=<>])
    (?P<values>(?:"[^"]*"|'[^']*'|[^\s()"'])*)
  | (?P<word>(?:"[^"]*"|'[^']*'|[^\s()"'])+)
    """,
    re.VERBOSE,
)
_VALUE = re.compile(r"""((?:"[^"]*"|'[^']*'|[^,"'])*)(?:,|$)""")
_QUOTES = ('"', "'")


@dataclass(frozen=True, slots=True)
class Word:
    """A text that stands in one of the names."""

    text: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A field compared with values, of which one must fit (with ``!=`` none may)."""

    field: str
    operator: str
    values: tuple[str, ...]
    at: int
    """Where it stands in the search, from 0."""


@dataclass(frozen=True, slots=True)
class Not:
    """What must not be true."""

    part: Node


@dataclass(frozen=True, slots=True)
class All:
    """What must be true together."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """Alternatives."""

    parts: tuple[Node, ...]


Node: TypeAlias = Word | Condition | Not | All | Any


@dataclass(frozen=True, slots=True)
class Query:
    """A search: its text, and what that means."""

    text: str
    root: Node

    @property
    def is_empty(self) -> bool:
        """Whether everything is found."""
        return self.root == All(())

    def conditions(self) -> Iterator[Condition]:
        """Every condition on a field, wherever it stands."""
        waiting: list[Node] = [self.root]
        while waiting:
            match waiting.pop():
                case Condition() as condition:
                    yield condition
                case Not(part):
                    waiting.append(part)
                case All(parts) | Any(parts):
                    waiting.extend(parts)
                case Word():
                    pass


def parse(text: str) -> Query:
    """Read a search.

    Raises:
        BadInput: it makes no sense; the hint points at the place.
    """
    if len(text) > LONGEST:
        raise BadInput(f"a search may have {LONGEST} characters, not {len(text)}", "Leave something out.")
    reader = _Reader(text)
    root = reader.alternatives(0)
    if reader.kind:
        raise wrong(text, reader.at, "a ')' closes nothing", "Leave it out, or quote it.")
    return Query(text, root)


def wrong(text: str, at: int, message: str, hint: str, length: int = 1) -> BadInput:
    """An error that shows the place in the search."""
    start = max(0, at - 60)
    return BadInput(f"search: {message}", f"{text[start : start + 100]}\n{' ' * (at - start)}{'^' * length}\n{hint}")


class _Reader:
    """Reads token after token, as the grammar wants them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._next = 0
        self.at = 0
        self._step()

    @property
    def kind(self) -> str:
        """What comes next: a name of the grammar's groups; empty at the end."""
        return self._kind

    def alternatives(self, depth: int) -> Node:
        """``a b or c``."""
        if depth > DEEPEST:
            raise wrong(self._text, self.at, "too many parentheses", f"At most {DEEPEST} within each other.")
        parts = [self._together(depth)]
        while self._is_word("or"):
            at = self.at
            self._step()
            parts.append(self._together(depth))
            if All(()) in parts:
                raise wrong(self._text, at, "'or' lacks a side", 'Example: host:a or host:b. The word itself: "or".', 2)
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def _together(self, depth: int) -> Node:
        parts = []
        while self.kind and self.kind != "close" and not self._is_word("or"):
            if self._is_word("and"):
                self._step()
                continue
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def _one(self, depth: int) -> Node:
        at, negated = self.at, False
        while self.kind == "minus" or self._is_word("not"):
            negated = not negated
            self._step()
        if not self.kind or self.kind == "close":
            raise wrong(self._text, at, "'not' stands before nothing", "Example: not state:running. As a word: 'not'.")
        part = self._group(depth) if self.kind == "open" else self._term()
        return Not(part) if negated else part

    def _group(self, depth: int) -> Node:
        at = self.at
        self._step()
        inside = self.alternatives(depth + 1)
        if self.kind != "close":
            raise wrong(self._text, at, "this '(' is not closed", "Add a ')', or quote it.")
        self._step()
        return inside

    def _term(self) -> Node:
        found, at = self._found, self.at
        if self.kind == "word":
            self._step()
            return Word(_unquoted(found["word"]))
        field, operator = found["field"], found["operator"]
        if self._text[self._next : self._next + 1] in _QUOTES:
            raise wrong(self._text, self._next, "a quote is not closed", "Quote with \"…\" or '…'.")
        values = tuple(_unquoted(value) for value in _split(found["values"]))
        if not all(values):
            raise wrong(
                self._text,
                at,
                f"{field}{operator} lacks a value",
                f"Examples: {field}{operator}VALUE, {field}:unknown for what is not known.",
                len(field + operator),
            )
        for value in values[1:]:
            if re.match(r"[A-Za-z_]+(!=|>=|<=|[:=<>])", value) and f'"{value}"' not in found["values"]:
                raise wrong(
                    self._text, at, "conditions are separated by spaces", f"{field}{operator}{values[0]} {value}"
                )
        self._step()
        return Condition(field.lower(), operator, values, at)

    def _is_word(self, word: str) -> bool:
        return self.kind == "word" and self._found["word"].lower() == word

    def _step(self) -> None:
        while self._next < len(self._text):
            found = _TOKEN.match(self._text, self._next)
            if found is None:
                raise wrong(self._text, self._next, "a quote is not closed", "Quote with \"…\" or '…'.")
            self.at, self._next = self._next, found.end()
            if found["space"] is None:
                self._found = found
                self._kind = next(name for name in _KINDS if found[name] is not None)
                return
        self.at, self._kind = len(self._text), ""


_KINDS = ("open", "close", "minus", "field", "word")


def _split(values: str) -> list[str]:
    """Values at the commas outside of quotes."""
    if not values:
        return [""]
    found, at = [], 0
    while at < len(values):
        part = _VALUE.match(values, at)
        if part is None:
            return [values]
        found.append(part[1])
        at = part.end()
    return found + ([""] if values.endswith(",") else [])


def _unquoted(text: str) -> str:
    return re.sub(r""""([^"]*)"|'([^']*)'""", lambda found: found[1] if found[1] is not None else found[2], text)
