"""What a setting is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from virtscope.settings.kinds import Kind, SecretFile

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Setting(Generic[T_co]):
    """One setting of a program."""

    name: str
    """As in the file and, after ``--``, on the command line: words with hyphens."""
    kind: Kind[T_co]
    default: T_co
    help: str
    """A sentence, with units."""
    group: str = "General"
    note: str = ""
    """What the default comes to, where the value itself does not tell."""
    short: str = ""
    """A short option, such as ``-c``."""
    off: str = ""
    """For a switch: the option that turns it off."""

    @property
    def is_secret(self) -> bool:
        """Whether a value that cannot be read may be a secret, and so is not repeated."""
        return isinstance(self.kind, SecretFile)

    @property
    def shown_default(self) -> str:
        """The default as help texts tell it."""
        return self.note or ("none" if self.default is None else self.kind.show(self.default) or "none")

    def read(self, raw: object) -> T_co:
        """The value of what was written; what may be left out is left out by an empty text, too.

        Raises:
            ValueError: it is none.
        """
        return self.default if self.default is None and raw == "" else self.kind.read(raw)

    def show(self, value: Any) -> str:
        """A value as text; empty where there is none."""
        return "" if value is None else self.kind.show(value)
