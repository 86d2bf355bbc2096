"""Figures and foreign strings as text."""

from __future__ import annotations

import pytest

from virtscope import text
from virtscope.cli import output
from virtscope.cli.columns import Column


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (text.size(None), text.UNKNOWN),
        (text.size(0), "0 B"),
        (text.size(1536), "1.5 KiB"),
        (text.size(2**40 * 3), "3 TiB"),
        (text.rate(999), "999 B/s"),
        (text.ratio(0.12345), "12.3 %"),
        (text.duration(0.00012), "120 µs"),
        (text.duration(90), "90 s"),
        (text.duration(3 * 86_400), "3 d"),
        (text.number(1234.5), "1234"),
        (text.per_second(0.5), "0.5/s"),
    ],
)
def test_figures(shown: str, expected: str) -> None:
    assert shown == expected


def test_hostile_names_steer_nothing() -> None:
    assert text.plain("a\x1b[2Jb\nc\u202ed") == "a\\x1b[2Jb\\nc\\u202ed"


def test_a_cell_is_no_formula() -> None:
    column = Column("NAME", lambda item: item["name"])
    shown = output._csv([{"name": "=HYPERLINK(1)"}, {"name": "web-1"}, {"name": "-1\x07"}], [column])
    assert shown == "name\n'=HYPERLINK(1)\nweb-1\n'-1\\x07\n"
