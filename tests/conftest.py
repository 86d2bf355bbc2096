"""What many tests need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oidc.processes import Processes
from tests.running import Running, running, until
from tests.synthetic import Opened, opened
from virtscope.server.access import passwords


@pytest.fixture(autouse=True, scope="session")
def _cheap_passwords() -> Iterator[None]:
    """What hashing costs is for those who guess; here it would be a tenth of all time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "MEMORY_KIB", 64)
        patch.setattr(passwords, "PASSES", 1)
        yield


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Opened]:
    """A store in a folder of its own."""
    with opened(tmp_path / "data") as made:
        yield made


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A virtscope that watches libvirt's test driver, and a host that is not there."""
    data = tmp_path_factory.mktemp("server") / "data"
    absent = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"
    with running(data, "--connect", "test:///default", "--connect", absent, "--interval", "1") as process:
        until(lambda: process.get("/api/v1/domains")["domains"], "the test driver's domain")
        yield process


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    """Starts OpenID Connect providers, and ends them."""
    made = Processes()
    yield made
    made.end()
