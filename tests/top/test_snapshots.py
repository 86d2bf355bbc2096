"""Whole screens as text, compared with the recorded ones. RECORD=1 writes them anew; look at what has changed."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tests.top.fleet import FakeSource
from tests.top.test_screens import Driven, driven

FOLDER = Path(__file__).parent / "screens"
TOUR: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("domains", ()),
    ("by-host", ("t",)),
    ("by-project", ("t",)),
    ("marked", ("t", "home", "space", "space")),
    ("compared", ("c",)),
    ("hosts", ("escape", "h")),
    ("disks", ("b",)),
    ("nics", ("n",)),
    ("wide", ("w",)),
    ("alerts", ("a",)),
    ("help", ("question_mark",)),
    ("events", ("escape", "d", "home", "enter", "3")),
    ("xml", ("4",)),
    ("filters", ("5",)),
    ("devices", ("2",)),
)
_MOVING = (
    (re.compile(r"\d+(\.\d)? (d|h|min|s|ms) ago"), "some time ago"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"), "YYYY-MM-DD hh:mm:ss"),
    (re.compile(r"[▁▂▃▄▅▆▇█]{2,}|[▔▎▊▌▏╸╺━╴╶]+"), ""),
    (re.compile(r" +$", re.MULTILINE), ""),
    (re.compile(r" {2,}"), "  "),
)
"""What differs from run to run: ages, the length of sparklines, scroll bars."""


def test_every_screen_is_as_recorded() -> None:
    seen: dict[str, str] = {}

    async def tour(top: Driven) -> None:
        for name, keys in TOUR:
            await top.press(*keys)
            await top.settle()
            text = top.text
            for pattern, instead in _MOVING:
                text = pattern.sub(instead, text)
            seen[name] = text + "\n"

    driven(tour, FakeSource(), size=(180, 45))
    if os.environ.get("RECORD"):
        FOLDER.mkdir(exist_ok=True)
        for name, text in seen.items():
            (FOLDER / f"{name}.txt").write_text(text)
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(seen)
    for name, text in seen.items():
        assert text == (FOLDER / f"{name}.txt").read_text(), name
