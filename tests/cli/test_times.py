"""Times as people write them."""

from __future__ import annotations

from datetime import datetime

import pytest

from virtscope.cli import times
from virtscope.errors import BadInput

NOW = 1_795_500_000.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30m", NOW - 1_800),
        ("-2h", NOW - 7_200),
        ("7d ago", NOW - 7 * 86_400),
        ("1.5h", NOW - 5_400),
        ("1795511712", 1_795_511_712.0),
        ("1795511712.25", 1_795_511_712.25),
        ("2026-11-24T10:30:00+00:00", 1_795_516_200.0),
        ("2026-11-24 10:30", datetime(2026, 11, 24, 10, 30).timestamp()),  # noqa: DTZ001  # local time is meant
    ],
)
def test_a_time(text: str, expected: float) -> None:
    assert times.moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "2h30", "12", "24.11.2026", "1h; rm"])
def test_no_time(text: str) -> None:
    with pytest.raises(BadInput, match="is no time") as refused:
        times.moment(text, NOW)
    assert "2h" in refused.value.hint
