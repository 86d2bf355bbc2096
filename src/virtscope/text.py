"""Figures and foreign strings as text for a terminal."""

from __future__ import annotations

import time

UNKNOWN = "–"  # noqa: RUF001  # a dash that no minus sign is taken for
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def plain(text: object) -> str:
    """A foreign string as one harmless line: whatever steers a terminal is spelled out instead."""
    shown = str(text)
    if shown.isprintable():
        return shown
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in shown
    )


def size(value: float | None, per: str = "") -> str:
    """Bytes with a binary unit: ``1.5 GiB``."""
    if value is None:
        return UNKNOWN
    for unit in _BINARY:
        if abs(value) < 1000 or unit == _BINARY[-1]:
            break
        value /= 1024
    return f"{_digits(value)} {unit}{per}"


def rate(value: float | None) -> str:
    """Bytes per second."""
    return size(value, "/s")


def ratio(value: float | None) -> str:
    """A share as a percentage."""
    return UNKNOWN if value is None else f"{value * 100:.1f} %"


def number(value: float | None) -> str:
    """A count, or a rate of counts."""
    return UNKNOWN if value is None else _digits(value)


def per_second(value: float | None) -> str:
    """A rate of counts."""
    return UNKNOWN if value is None else f"{_digits(value)}/s"


def cores(value: float | None) -> str:
    """CPUs' worth of time."""
    return UNKNOWN if value is None else f"{value:.2f}"


def duration(seconds: float | None) -> str:
    """A time span with a unit that suits it: ``1.2 ms``, ``3 min``."""
    if seconds is None:
        return UNKNOWN
    for factor, unit, below in ((1e6, "µs", 1e-3), (1e3, "ms", 1.0), (1, "s", 120), (1 / 60, "min", 7_200)):
        if seconds < below:
            return f"{_digits(seconds * factor)} {unit}"
    return f"{_digits(seconds / 3600)} h" if seconds < 172_800 else f"{_digits(seconds / 86_400)} d"


def offset(seconds: float | None) -> str:
    """A time span with its sign: ``+2 s``."""
    return UNKNOWN if seconds is None else f"{'-' if seconds < 0 else '+'}{duration(abs(seconds))}"


def ago(at: float | None) -> str:
    """How long ago a time (Unix seconds) was."""
    return "never" if at is None else f"{duration(max(0.0, time.time() - at))} ago"


def _digits(value: float) -> str:
    return f"{value:.0f}" if value == round(value) or abs(value) >= 100 else f"{value:.1f}"
