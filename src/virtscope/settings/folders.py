"""Where a program keeps its state, unless told otherwise: that depends on who runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def state_folder(usual: Path, environment: Mapping[str, str], *, root: bool) -> Path:
    """Where a program keeps its state: the system's folder for root and for a service, else the user's own (XDG).

    systemd tells a service of its folder (``STATE_DIRECTORY``).
    """
    given = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    if given.startswith("/"):
        return Path(given)
    return usual if root else user_state(environment) / usual.name


def user_state(environment: Mapping[str, str]) -> Path:
    """The folder of a user's state: XDG's, which must be absolute to count."""
    told = environment.get("XDG_STATE_HOME", "")
    return Path(told) if told.startswith("/") else Path(environment.get("HOME") or "/") / ".local/state"
