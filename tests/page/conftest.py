"""One server of a fleet with a story, and one browser, for all tests of the page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.page.showcase import showcase
from tests.page.test_page import ROOT, browser, opened
from tests.server.access.serving import Served


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of six hosts in which one domain takes what others wait for."""
    assert (ROOT / "src/virtscope/server/page/index.html").exists(), "the page is not built: ./dev build"
    # An analysis may look at whole hours: whenever this runs, half of the last one is there.
    with showcase(tmp_path_factory.mktemp("fleet"), seconds=5400, step=60) as served:
        yield served


@pytest.fixture(scope="module")
def chromium(fleet: Served) -> Iterator[Browser]:
    """A browser."""
    with browser(fleet.address) as page:
        assert page.context.browser
        yield page.context.browser


@pytest.fixture(scope="module")
def shown(chromium: Browser, fleet: Served) -> Iterator[Page]:
    """A page of that fleet."""
    with opened(chromium, fleet.address, "status of 404", width=1440) as page:
        yield page
