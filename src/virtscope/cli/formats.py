"""The words that options take. Loaded with every command, so it loads nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from virtscope.errors import BadInput


@dataclass(frozen=True, slots=True)
class Format:
    """How an answer is written."""

    word: str
    path: str = ""
    """With ``jsonpath``: which parts."""

    TABLE: ClassVar[Format]
    WIDE: ClassVar[Format]
    JSON: ClassVar[Format]
    YAML: ClassVar[Format]
    CSV: ClassVar[Format]
    NAME: ClassVar[Format]

    def __str__(self) -> str:
        return f"{self.word}={self.path}" if self.path else self.word


Format.TABLE, Format.WIDE, Format.JSON = Format("table"), Format("wide"), Format("json")
Format.YAML, Format.CSV, Format.NAME = Format("yaml"), Format("csv"), Format("name")
_PLAIN = {form.word: form for form in (Format.TABLE, Format.WIDE, Format.JSON, Format.YAML, Format.CSV, Format.NAME)}
FORMATS = ", ".join((*_PLAIN, "jsonpath=…"))
"""As help shows them."""


def form(text: str | Format) -> Format:
    """The format that somebody writes.

    Raises:
        BadInput: there is none of that name.
    """
    if isinstance(text, Format):
        return text
    word, _, path = text.partition("=")
    if word == "jsonpath" and path:
        return Format(word, path)
    if text not in _PLAIN:
        raise BadInput(f"{text!r} is no output format", f"There are: {FORMATS}; jsonpath takes '{{.name}}' and so on.")
    return _PLAIN[text]


class Watched(StrEnum):
    """What ``virtscope top`` lists."""

    HOSTS = "hosts"
    DOMAINS = "domains"
    DISKS = "disks"
    NICS = "nics"
    ALERTS = "alerts"
