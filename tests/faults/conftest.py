"""The rig of the fault tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.rig import Rig, Server


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """A rig of its own; what still runs at the end is killed."""
    made = Rig(tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for the tests that do not end it."""
    folder = tmp_path_factory.mktemp("standing")
    made = Rig(folder)
    yield made.server()
    made.close()


@pytest.fixture
def shared_rig(tmp_path: Path, standing: Server) -> Iterator[Rig]:
    """Agents of its own, with the server that stands there."""
    made = Rig(tmp_path, standing)
    yield made
    standing.send(signal.SIGCONT)
    made.close()
