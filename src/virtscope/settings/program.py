"""A program's settings, and the values that they have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from virtscope.settings.declaration import Setting

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Program:
    """A program's settings, in the order in which people read of them."""

    name: str
    """The command: ``agent`` of ``virtscope agent``."""
    settings: tuple[Setting[Any], ...]
    checks: tuple[Callable[[Resolved], Iterable[Complaint]], ...] = ()
    """What makes no sense together, though each by itself does."""
    file: str = ""
    """The file that is read where no other is named."""

    @property
    def prefix(self) -> str:
        """What the names of its variables begin with.

        Each program has its own: ``VIRTSCOPE_SERVER``, which people set to ask a server, is no setting of an agent.
        """
        return f"VIRTSCOPE_{self.name.upper()}_"

    def variable(self, setting: Setting[Any]) -> str:
        """The environment's name of a setting."""
        return self.prefix + setting.name.upper().replace("-", "_")

    def with_default(self, setting: Setting[T], value: T, note: str | None = None) -> Program:
        """The same with another default, and another note where one is given."""
        told = setting.note if note is None else note
        changed = replace(setting, default=value, note=told)
        return replace(self, settings=tuple(changed if one.name == setting.name else one for one in self.settings))


class Source(StrEnum):
    """Where a value can come from, the stronger first."""

    FLAG = "option"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Written:
    """A value as somebody wrote it, and where."""

    value: object
    place: str
    """``/etc/virtscope/agent.toml:12``, ``VIRTSCOPE_AGENT_INTERVAL``, ``--interval`` or ``default``."""
    source: Source = Source.FILE


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a check of several settings together has found."""

    setting: Setting[Any]
    reason: str
    """A sentence that names the value."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """Every setting's value, and where it comes from."""

    program: Program
    values: Mapping[str, Any]
    places: Mapping[str, Written]

    def __getitem__(self, setting: Setting[T]) -> T:
        value: T = self.values[setting.name]
        return value

    def place(self, setting: Setting[Any]) -> str:
        """Where the value comes from."""
        return self.places[setting.name].place

    def is_given(self, setting: Setting[Any]) -> bool:
        """Whether somebody wrote it."""
        return self.places[setting.name].source is not Source.DEFAULT
