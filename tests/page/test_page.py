"""The page in a real browser, over real guests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.running import PATIENCE, Running, running

ROOT = Path(__file__).parent.parent.parent
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


@contextmanager
def browser(address: str, *expected: str) -> Iterator[Page]:
    """A page of a browser of its own."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        with opened(started, address, *expected) as page:
            yield page
        started.close()


@contextmanager
def opened(started: Browser, address: str, *expected: str, scheme: str = "light", width: int = 1280) -> Iterator[Page]:
    """A page in which every word on its console is a failure, but those that are expected."""
    context = started.new_context(
        base_url=address,
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": width, "height": 900},
        locale="en-US",
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    expect.set_options(timeout=PATIENCE * 1000)
    said: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # What a provider's own page says is not ours.
        if message.type in ("error", "warning") and message.location["url"].startswith(address):
            said.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: said.append(str(error)))
    yield page
    context.close()
    assert [words for words in said if not any(word in words for word in expected)] == []


@pytest.fixture(scope="session")
def page_server(server: Running) -> Running:
    """The server, once it is known that the page is built."""
    assert server.request("/", Accept="text/html").status == 200, "the page is not built: ./dev build"
    return server


@pytest.fixture(scope="module")
def browser_page(page_server: Running) -> Iterator[Page]:
    """A page of the fleet."""
    with browser(page_server.address, "status of 404") as page:
        yield page


def test_the_fleet_is_live(browser_page: Page) -> None:
    browser_page.goto("/")
    expect(browser_page.get_by_test_id("totals")).to_have_text("1 of 2 hosts up · 1 of 1 domains running")
    expect(browser_page.get_by_test_id("live")).to_contain_text("live")
    expect(browser_page.get_by_role("region", name="Map of hosts")).to_contain_text("down")
    expect(browser_page.get_by_test_id("demo")).to_have_count(0)


def test_domains_are_filtered_and_opened_by_keyboard(browser_page: Page) -> None:
    browser_page.goto("/domains")
    table = browser_page.get_by_role("region", name="Domains")
    expect(table.get_by_role("link", name="test", exact=True)).to_be_visible()
    browser_page.keyboard.press("/")
    browser_page.keyboard.type("zzz")
    expect(browser_page.get_by_text("Nothing fits the filter")).to_be_visible()
    assert browser_page.url.endswith("?q=zzz")
    browser_page.keyboard.press("Escape")
    expect(table).to_be_visible()
    table.focus()
    browser_page.keyboard.press("Enter")
    expect(browser_page.get_by_role("heading", name="test", exact=True)).to_be_visible()


def test_a_table_is_sorted_by_its_headings(browser_page: Page) -> None:
    browser_page.goto("/hosts")
    heading = browser_page.get_by_role("columnheader", name="Name")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending")


def test_a_domain_shows_charts_devices_and_xml(browser_page: Page) -> None:
    browser_page.goto("/domains/test")
    for title in ("CPU", "Memory", "Disk throughput", "Network throughput"):
        expect(browser_page.get_by_role("region", name=title, exact=True)).to_be_visible()
    browser_page.get_by_role("button", name="6h").click()
    assert browser_page.url.endswith("?range=6h")
    browser_page.get_by_role("tab", name="Devices").click()
    expect(browser_page.get_by_role("region", name="Interfaces")).to_contain_text("aa:bb:cc:dd:ee:ff")
    browser_page.get_by_role("tab", name="Configuration").click()
    expect(browser_page.get_by_test_id("xml")).to_contain_text("<name>test</name>")


def test_a_host_that_is_down_says_why(browser_page: Page, page_server: Running) -> None:
    down = next(host for host in page_server.get("/api/v1/hosts")["hosts"] if host["state"] == "down")
    browser_page.goto(f"/hosts/{down['id']}")
    expect(browser_page.get_by_role("alert")).to_contain_text("No such file or directory")


@pytest.mark.parametrize("path", ["/domains/nobody", "/hosts/nobody", "/nowhere"])
def test_what_is_not_there_is_said(browser_page: Page, path: str) -> None:
    browser_page.goto(path)
    expect(browser_page.get_by_role("heading", name="Not found")).to_be_visible()


def test_a_server_that_goes_away_and_comes_back(browser_page: Page, tmp_path: Path) -> None:
    arguments = ("--connect", "test:///default", "--interval", "0.5", "--demo")
    with running(tmp_path, *arguments) as first:
        port = first.address.rpartition(":")[2]
        page = browser_page.context.new_page()
        page.goto(first.address)
        expect(page.get_by_test_id("live")).to_contain_text("live")
        expect(page.get_by_test_id("demo")).to_contain_text("Demo")
    expect(page.get_by_test_id("live")).to_contain_text("reconnecting")
    expect(page.get_by_test_id("totals")).to_be_visible()
    with running(tmp_path, *arguments, "--listen", f"127.0.0.1:{port}"):
        expect(page.get_by_test_id("live")).to_contain_text("live")
        page.close()


def test_the_pages_own_tests_pass() -> None:
    node = {**os.environ, "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}", "NO_COLOR": "1"}
    answer = subprocess.run(["npm", "test"], cwd=ROOT / "web", capture_output=True, text=True, check=False, env=node)
    assert answer.returncode == 0, answer.stdout + answer.stderr
