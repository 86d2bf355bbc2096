"""What every object that is measured has."""

from __future__ import annotations

from typing import TypeAlias

Figures: TypeAlias = dict[str, float | None]
"""Quantities by name; ``/api/v1/quantities`` tells their units."""
