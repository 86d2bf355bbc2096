"""The page of alerts: what fires is silenced from it, a rule is tried, somebody is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from playwright.sync_api import Page, expect

from tests.page.test_page import browser
from tests.running import PATIENCE, running

AXE = Path(__file__).parent.parent.parent / "web/node_modules/axe-core/axe.min.js"
RUNS = '[runs]\non = "domains"\nwhen = "state:running"\nfor = "0s"\ntext = "<b>It does."\n'


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with running(tmp_path / "data", "--connect", "test:///default", "--interval", "0.5") as server:
        rules = f"{server.address}/api/v1/alert-rules"
        assert urllib3.request("PUT", rules, json={"toml": RUNS}, timeout=PATIENCE).status == 200
        with browser(server.address, "status of 422") as shown:
            shown.goto("/alerts")
            yield shown


def test_an_alert_is_seen_silenced_and_told(page: Page) -> None:
    now = page.get_by_role("region", name="Now")
    row = now.get_by_role("row", name="runs")
    expect(row).to_contain_text("firing", timeout=30_000)
    expect(row).to_contain_text("<b>It does.")
    expect(row.get_by_role("link", name="test")).to_have_attribute(
        "href", "/domains/6695eb01-f6a4-8304-79aa-97f2502e193f"
    )
    expect(page.get_by_role("region", name="The last week")).to_contain_text("runs fired: test")

    row.get_by_role("button", name="Silence").click()
    silences = page.get_by_role("region", name="Silences")
    expect(silences.get_by_label("Which alerts")).to_have_value('rule:runs name:"test"')
    silences.get_by_label("Why").fill("we know")
    silences.get_by_role("button", name="Silence").click()
    expect(row).to_contain_text("firing, silenced")
    silences.get_by_role("button", name="End").click()
    expect(silences).to_contain_text("Nothing is silenced.")

    page.get_by_role("row", name="guest-memory").get_by_role("button", name="Try on the last week").click()
    expect(page.get_by_role("region", name="Rules")).to_contain_text("it would have fired 0 times")

    told = page.get_by_role("region", name="Who is told")
    told.get_by_label("Name").fill("nobody")
    told.get_by_label("Address").fill("nothing")
    told.get_by_role("button", name="Add").click()
    expect(page.get_by_role("alert")).to_contain_text("that is no address")
    told.get_by_label("Address").fill("json://user:secret@127.0.0.1:9/")
    told.get_by_role("button", name="Add").click()
    expect(told).to_contain_text("json://127.0.0.1:9", timeout=30_000)
    assert "secret" not in page.content()
    told.get_by_role("button", name="Remove").click()
    expect(told).to_contain_text("Nobody is told yet.")

    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']})")
    assert [(one["id"], one["nodes"][0]["html"]) for one in found["violations"]] == []
