"""The page of the server's health: a host is enrolled from it, watched, and let in no more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.page.test_page import browser
from tests.running import Running, RunningAgent, running, virtscope


@pytest.fixture(scope="module")
def agents_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that takes agents."""
    folder = tmp_path_factory.mktemp("health") / "server"
    with running(folder, "--agents-listen", "127.0.0.1:0", program="server") as server:
        yield server


def test_from_the_line_to_paste_to_an_agent_that_is_revoked(agents_server: Running, tmp_path: Path) -> None:
    with browser(agents_server.address, "status of 404") as page:
        page.goto("/health")
        expect(page.get_by_test_id("health")).to_contain_text("All is well")
        expect(page.get_by_text("No host is enrolled yet")).to_be_visible()
        page.get_by_role("button", name="Enrol a host").click()
        line = page.get_by_test_id("invitation").get_by_role("code").inner_text()
        _, token, _, _, _, address, _ = line.split()
        virtscope("enrol", address, "-", "--name", "<b>kvm1", "--identity", str(tmp_path / "agent"), given=token)
        row = page.get_by_role("row", name="<b>kvm1")
        expect(row).to_contain_text("nothing heard yet")
        agent = RunningAgent(tmp_path / "agent", "--connect", "test:///default", "--interval", "0.5", "--metrics", "")
        try:
            expect(row).to_contain_text("delivers")
            row.get_by_role("button", name="Revoke").click()
            row.get_by_role("button", name="No").click()
            expect(row).to_contain_text("delivers")
            row.get_by_role("button", name="Revoke").click()
            row.get_by_role("button", name="Really revoke").click()
            expect(row).to_contain_text("revoked")
            expect(row.get_by_role("button")).to_have_count(0)
        finally:
            agent.stop()


def test_without_agents_there_is_no_table_of_them(browser_of_up: Page) -> None:
    browser_of_up.goto("/health")
    expect(browser_of_up.get_by_test_id("health")).to_be_visible()
    expect(browser_of_up.get_by_role("heading", name="Agents")).to_have_count(0)


@pytest.fixture
def browser_of_up(server: Running) -> Iterator[Page]:
    """A page of a server that takes no agents."""
    with browser(server.address, "status of 404") as page:
        yield page
