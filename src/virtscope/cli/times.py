"""Times as people write them."""

from __future__ import annotations

import re
import time
from datetime import datetime

from virtscope.errors import BadInput

_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_AGO = re.compile(r"-?(\d+(?:\.\d+)?)\s*([smhdw])(?:\s+ago)?")
_UNIX = re.compile(r"[0-9]{9,11}(?:\.[0-9]+)?")
_EXAMPLES = "Examples: 30m (ago), 2h, 7d, 2026-11-24, '2026-11-24 10:30', 1795511712 (Unix seconds)."


def span(text: str) -> float:
    """A time span in seconds: ``30m``, ``2h``, ``7d``.

    Raises:
        BadInput: it is none.
    """
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhdw])", text.strip()):
        return float(found[1]) * _UNITS[found[2]]
    raise BadInput(f"{text!r} is no time span", "Examples: 90s, 30m, 2h, 7d.")


def moment(text: str, now: float | None = None) -> float:
    """A time in Unix seconds: how long ago, a date (with or without a time, local unless it says), or Unix seconds.

    Raises:
        BadInput: it is none of these.
    """
    if ago := _AGO.fullmatch(text.strip()):
        return (time.time() if now is None else now) - float(ago[1]) * _UNITS[ago[2]]
    if _UNIX.fullmatch(text.strip()):
        return float(text)
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise BadInput(f"{text!r} is no time", _EXAMPLES) from None
    return found.timestamp()


def ahead(text: str, now: float | None = None) -> float:
    """A time to come, in Unix seconds: ``30d`` from now, or a date.

    Raises:
        BadInput: it is none, or lies behind.
    """
    current = time.time() if now is None else now
    found = current + span(text) if _AGO.fullmatch(text.strip()) else moment(text, now)
    if found <= current:
        raise BadInput(f"{text!r} lies behind", "Examples: 30d (from now), 2030-01-31.")
    return found


def shown(at: float) -> str:
    """A time (Unix seconds) for people: local, to the second."""
    return datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M:%S")  # noqa: DTZ006  # local time is meant
