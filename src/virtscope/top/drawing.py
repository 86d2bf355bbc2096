"""Curves out of characters: blocks for one line, braille for more. What is not known is left blank; 0 is drawn."""

from __future__ import annotations

from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"
_BRAILLE = 0x2800
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""The bits of a braille character's left and right column, from below (Unicode, "Braille Patterns")."""


def resampled(values: Sequence[float | None], count: int) -> list[float | None]:
    """As many values as there is room for, the newest last: of several the highest, so that no peak is lost."""
    if len(values) <= count:
        return [None] * (count - len(values)) + list(values)
    return [
        max(
            (
                value
                for value in values[len(values) * at // count : len(values) * (at + 1) // count]
                if value is not None
            ),
            default=None,
        )
        for at in range(count)
    ]


def top_of(values: Sequence[float | None], top: float | None) -> float:
    """The upper end of the scale: what is given, or the highest value."""
    return top or max((value for value in values if value is not None), default=0.0) or 1.0


def sparkline(values: Sequence[float | None], width: int, top: float | None = None) -> str:
    """One line of blocks.

    Args:
        values: oldest first.
        width: characters.
        top: what the full height stands for; the highest value where it is None.
    """
    shown = list(values[-width:])
    full = top_of(shown, top)
    drawn = (" " if value is None else _BLOCKS[_level(value, full, len(_BLOCKS)) - 1] for value in shown)
    return "".join(drawn).rjust(width)


def chart(values: Sequence[float | None], width: int, height: int, top: float | None = None) -> list[str]:
    """A filled curve of braille, 2 by 4 dots a character: lines from above.

    Args:
        values: oldest first, any number.
        width: characters.
        height: lines.
        top: what the full height stands for; the highest value where it is None.
    """
    columns = resampled(values, width * 2)
    full = top_of(columns, top)
    levels = [0 if value is None else _level(value, full, height * 4) for value in columns]
    return [
        "".join(
            chr(_BRAILLE + _bits(levels[2 * at] - base, 0) + _bits(levels[2 * at + 1] - base, 1)) for at in range(width)
        )
        for base in range((height - 1) * 4, -1, -4)
    ]


def _level(value: float, full: float, steps: int) -> int:
    """How many of the steps a value fills: 1 at least, so that 0 is seen to be known."""
    return min(max(round(value / full * steps), 1), steps)


def _bits(dots: int, side: int) -> int:
    return sum(_DOTS[side][: max(dots, 0)])
