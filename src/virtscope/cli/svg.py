"""Charts as SVG that stands in a page by itself: no script, no file beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

WIDTH, HEIGHT = 640, 150
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 8, 22, 20
_COLORS = {"critical": "#b3261e", "warning": "#b26a00", "info": "#2a6fb5", "ok": "#3a7d44"}


def lines(title: str, times: Sequence[float], values: Sequence[float | None], shown: Callable[[float], str],
          when: Callable[[float], str]) -> str:  # fmt: skip
    """A series as a line: broken where nothing is known, from 0 to the highest value.

    Args:
        title: what it is.
        times: Unix seconds, ascending.
        values: one for each time; None is unknown.
        shown: a value as text.
        when: a time as text.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    label = f"{escape(title)}: nothing is known"
    if not known or len(times) < 2:
        return f'<svg class="chart" viewBox="0 0 {WIDTH} 30" role="img"><text x="0" y="18">{label}</text></svg>'
    most = max(*known, 1e-12)
    begin, end = times[0], times[-1]

    def x(at: float) -> float:
        return _LEFT + (at - begin) / (end - begin) * (WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return HEIGHT - _BOTTOM - max(value, 0.0) / most * (HEIGHT - _TOP - _BOTTOM)

    paths = "".join(
        f'<polyline points="{" ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in part)}"/>'
        if len(part) > 1
        else f'<circle cx="{x(part[0][0]):.1f}" cy="{y(part[0][1]):.1f}" r="1.5"/>'
        for part in _parts(times, values)
    )
    axes = "".join(
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{escape(shown(value))}</text>'
        for value in (0.0, most / 2, most)
    )
    ends = (
        f'<text x="{_LEFT}" y="{HEIGHT - 4}">{escape(when(begin))}</text>'
        f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 4}" text-anchor="end">{escape(when(end))}</text>'
    )
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"><title>{escape(title)}</title>'
        f'<text x="0" y="12" class="title">{escape(title)}</text><g class="axes">{axes}{ends}</g>'
        f'<g class="line">{paths}</g></svg>'
    )


def bar(counts: Sequence[tuple[str, str, int]]) -> str:
    """How many of each kind, as one bar: name, severity and count each."""
    total = sum(count for _, _, count in counts)
    if not total:
        return ""
    at, drawn = 0.0, []
    for name, severity, count in counts:
        width = count / total * WIDTH
        color = _COLORS.get(severity, "#888888")
        told = f"{count} {escape(name)}"
        drawn.append(f'<rect x="{at:.1f}" width="{width:.1f}" height="12" fill="{color}"><title>{told}</title></rect>')
        at += width
    return f'<svg class="bar" viewBox="0 0 {WIDTH} 12" preserveAspectRatio="none" role="img">{"".join(drawn)}</svg>'


def _parts(times: Sequence[float], values: Sequence[float | None]) -> Iterator[list[tuple[float, float]]]:
    """The stretches in which something is known."""
    part: list[tuple[float, float]] = []
    for at, value in zip(times, values, strict=True):
        if value is not None and math.isfinite(value):
            part.append((at, value))
        elif part:
            yield part
            part = []
    if part:
        yield part
