"""What ``virtscope doctor`` has found out about one thing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    subject: str
    good: bool | None
    """None where it is missing but not needed, or deserves a look."""
    detail: str
    remedy: str = ""
