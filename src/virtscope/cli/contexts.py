"""Contexts: servers and hypervisors by name, in a file of the user's. Tokens are in another (``credentials.py``)."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from virtscope import private_file
from virtscope.errors import BadInput, NotFound

VARIABLE = "VIRTSCOPE_CONTEXT"
"""Names the context for one command; ``--context`` sets it."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,99}")


@dataclass(frozen=True, slots=True)
class Context:
    """Whom to ask: a server, or hypervisors."""

    server: str = ""
    connect: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Contexts:
    """All of them, and the one that is used where none is named."""

    current: str = ""
    contexts: Mapping[str, Context] = field(default_factory=dict)

    def named(self, name: str) -> Context:
        """The context of this name.

        Raises:
            NotFound: there is none.
        """
        if name not in self.contexts:
            known = ", ".join(sorted(self.contexts)) or "none yet"
            raise NotFound(f"no context {name!r}", f"There are: {known}. 'virtscope context add' makes one.")
        return self.contexts[name]

    def with_one(self, name: str, context: Context) -> Contexts:
        """These and another; the first one is used at once.

        Raises:
            BadInput: that is no name.
        """
        if not _NAME.fullmatch(name):
            raise BadInput(f"{name!r} is no name for a context", "Letters, digits, and _ . @ - after the first.")
        return Contexts(self.current or name, {**self.contexts, name: context})

    def without(self, name: str) -> Contexts:
        """These but for one; NotFound where there is none of that name."""
        self.named(name)
        left = {other: context for other, context in self.contexts.items() if other != name}
        return Contexts("" if self.current == name else self.current, left)

    def using(self, name: str) -> Contexts:
        """These with another one in use; NotFound where there is none of that name."""
        self.named(name)
        return replace(self, current=name)


def path() -> Path:
    """Where they are kept: the user's configuration folder (XDG)."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(folder) if folder.startswith("/") else Path.home() / ".config") / "virtscope/contexts.toml"


def load() -> Contexts:
    """What is kept; nothing where there is no file.

    Raises:
        BadInput: the file cannot be read, or makes no sense.
    """
    file = path()
    try:
        found = tomllib.loads(file.read_text())
        kept = {name: _context(told) for name, told in found.get("contexts", {}).items()}
        return Contexts(str(found.get("current", "")), kept)
    except FileNotFoundError:
        return Contexts()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise BadInput(f"cannot read {file}: {error}", "Mend it, or remove it and add the contexts again.") from None


def save(contexts: Contexts) -> None:
    """Keep these from now on, in a file that only its owner reads.

    Raises:
        BadInput: the file cannot be written.
    """
    lines = [f"current = {json.dumps(contexts.current)}\n"]
    for name, context in sorted(contexts.contexts.items()):
        lines.append(f"\n[contexts.{json.dumps(name)}]\n")
        lines.append(
            f"server = {json.dumps(context.server)}\n"
            if context.server
            else f"connect = {json.dumps(list(context.connect))}\n"
        )
    file = path()
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        private_file.replace(file, "".join(lines).encode())
    except OSError as error:
        raise BadInput(f"cannot write {file}: {error.strerror}", "Is the folder yours?") from None


def in_use() -> tuple[str, Context] | None:
    """The context that counts, with its name: what the environment names, else the current one; None without any.

    Raises:
        NotFound: the one that is named does not exist.
        BadInput: the file cannot be read.
    """
    named = os.environ.get(VARIABLE, "")
    kept = load()
    name = named or kept.current
    return (name, kept.named(name)) if name else None


def _context(told: Mapping[str, Any]) -> Context:
    context = Context(str(told.get("server", "")), tuple(str(uri) for uri in told.get("connect", ())))
    if bool(context.server) == bool(context.connect):
        raise ValueError("a context has either server or connect")
    return context
