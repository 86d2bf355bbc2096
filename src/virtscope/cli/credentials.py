"""What ``virtscope login`` keeps: for each server an API token and the certificates it is verified with."""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from virtscope.errors import BadInput


@dataclass(frozen=True, slots=True)
class Credential:
    """What one server is shown."""

    token: str | None = None
    id: int | None = None
    """The token's number on the server, where ``virtscope login`` made it."""
    ca: str | None = None
    """The file with the certificates that the server's is verified with; None: the system's."""


def path() -> Path:
    """Where credentials are kept: the user's configuration folder (XDG)."""
    folder = os.environ.get("XDG_CONFIG_HOME", "")
    return (Path(folder) if folder.startswith("/") else Path.home() / ".config") / "virtscope/credentials.toml"


def of(server: str) -> Credential:
    """What is kept for a server, by its address; the environment (``VIRTSCOPE_TOKEN``, ``VIRTSCOPE_CA``) goes before.

    Raises:
        BadInput: the file cannot be read, or others can read it.
    """
    kept = _read().get(server, {})
    return Credential(
        os.environ.get("VIRTSCOPE_TOKEN") or kept.get("token"),
        kept.get("id"),
        os.environ.get("VIRTSCOPE_CA") or kept.get("ca"),
    )


def keep(server: str, credential: Credential | None) -> None:
    """Keep this for a server from now on; None: nothing. The file is replaced at once, and only its owner reads it.

    Raises:
        BadInput: the file cannot be written.
    """
    known = _read()
    known.pop(server, None)
    if credential is not None:
        fields = {"token": credential.token, "id": credential.id, "ca": credential.ca}
        known[server] = {name: value for name, value in fields.items() if value is not None}
    file = path()
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=file.parent)  # with mode 0600
        with os.fdopen(descriptor, "w") as written:
            written.write("".join(_table(address, fields) for address, fields in sorted(known.items())))
        Path(name).replace(file)
    except OSError as error:
        raise BadInput(f"cannot write {file}: {error.strerror}", "Is the folder yours?") from None


def _read() -> dict[str, dict[str, Any]]:
    file = path()
    try:
        if file.stat().st_mode & 0o077:
            raise BadInput(f"others can read {file}", f"It holds secrets: chmod 600 {file}")
        found: dict[str, dict[str, Any]] = tomllib.loads(file.read_text()).get("servers", {})
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot read {file}: {error}", "Mend it, or remove it and log in again.") from None
    return found


def _table(address: str, fields: dict[str, Any]) -> str:
    """A table of TOML: its strings and numbers are written as JSON's are."""
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in fields.items()]
    return f"[servers.{json.dumps(address)}]\n{''.join(lines)}\n"
