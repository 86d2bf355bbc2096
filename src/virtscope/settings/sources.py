"""The file of a program's settings, read with the line of each."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path

from virtscope.errors import BadInput
from virtscope.settings.program import Program, Written

MOST_BYTES = 256 << 10
MOST_CANDIDATES = 10


def read(program: Program, chosen: Path | None) -> Mapping[str, Written]:
    """What the chosen file says, or else the program's own where there is one.

    Raises:
        BadInput: the file cannot be read, or is no TOML.
    """
    path = chosen or (Path(program.file) if program.file and os.path.lexists(program.file) else None)
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(
            f"cannot read the settings in {path}: {error.strerror}",
            "Name a file that this user may read: --config FILE",
        ) from None
    if len(content) > MOST_BYTES:
        raise BadInput(f"{path} is larger than {MOST_BYTES >> 10} KiB", "That is no file of settings.")
    try:
        return parse(content.decode(), str(path))
    except UnicodeDecodeError as error:
        raise BadInput(f"{path} is no text: byte {error.start} is not UTF-8", "Save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{path} is no TOML: {error}", 'Texts stand in quotes; lists in brackets: ["a", "b"]') from None


def parse(text: str, name: str) -> Mapping[str, Written]:
    """The keys of a TOML text, each with its line.

    ``tomllib`` tells no lines. Yet a key's line is the one that begins with it and before which the text is whole: in
    the middle of a string or an array it would not be.

    Raises:
        tomllib.TOMLDecodeError: it is no TOML.
    """
    values = tomllib.loads(text)
    return {key: Written(value, _place(text, key, name)) for key, value in values.items()}


def _place(text: str, key: str, name: str) -> str:
    """``name:line`` of a key; the name alone where the key is written in a way that nobody writes."""
    word = re.escape(key)
    begins = re.compile(rf"""^[ \t]*(?:\[{{1,2}}[ \t]*)?(?:{word}|"{word}"|'{word}')[ \t]*[=.\]]""", re.MULTILINE)
    for found in islice(begins.finditer(text), MOST_CANDIDATES):
        with suppress(tomllib.TOMLDecodeError):
            tomllib.loads(text[: found.start()])
            return f"{name}:{text.count(chr(10), 0, found.start()) + 1}"
    return name
