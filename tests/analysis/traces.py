"""Where the trace of real machines lies, which is not part of the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

NAME = "bitbrains-rnd-2013-07.parquet"


def bitbrains() -> Path:
    """The trace's file; the test is skipped where there is none."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("VIRTSCOPE_TRACES", beside))
    if not (folder / NAME).is_file():
        pytest.skip(f"no {NAME} in {folder}: set VIRTSCOPE_TRACES to the folder that has it")
    return folder / NAME
