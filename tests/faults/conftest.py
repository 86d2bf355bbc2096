"""The rig of the fault tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig of its own; what still runs at the end is killed."""
    made = Rig(tmp_path)
    yield made
    made.close()
