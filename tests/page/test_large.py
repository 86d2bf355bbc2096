"""20,000 domains: a table that shows them all, and stays a page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.page.showcase import showcase
from tests.page.test_fleet import AXE, RULES, rows
from tests.page.test_page import browser

HOSTS, DOMAINS = 100, 200


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The list of domains of a large fleet, through the real API."""
    with (
        showcase(tmp_path_factory.mktemp("large"), seconds=60, step=60, hosts=HOSTS, domains=DOMAINS) as served,
        browser(served.address, "status of 404") as page,
    ):
        page.goto("/domains")
        expect(page.get_by_role("status").filter(has_text="of 20000")).to_have_text("20000 of 20000")
        yield page


def test_only_rows_in_view_exist(large: Page) -> None:
    assert large.get_by_role("table", name="Domains").get_attribute("aria-rowcount") == "20001"
    assert rows(large).count() < 80
    large.get_by_role("region", name="Domains").evaluate("(one) => { one.scrollTop = one.scrollHeight; }")
    expect(large.locator("tr[aria-rowindex='20001']")).to_be_visible()
    assert rows(large).count() < 80


def test_it_is_sorted_and_searched_as_a_whole(large: Page) -> None:
    large.get_by_role("columnheader", name="Name").get_by_role("button").click()
    expect(rows(large).first).to_contain_text("<img")
    large.get_by_role("columnheader", name="Name").get_by_role("button").click()
    expect(rows(large).first).to_contain_text("web-3334")
    large.keyboard.press("/")
    large.keyboard.type("host:kvm100 project:lab")
    expect(large.get_by_role("status").filter(has_text="of 20000")).to_have_text("33 of 20000")
    large.keyboard.press("Escape")
    large.keyboard.press("Escape")


def test_axe_finds_nothing_in_it(large: Page) -> None:
    large.evaluate(AXE.read_text(encoding="utf-8"))
    answer = large.evaluate(f"axe.run({RULES['light']})")
    assert [(one["id"], one["nodes"][0]["html"][:200]) for one in answer["violations"]] == []
