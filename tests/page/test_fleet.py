"""What people do with the page, in a fleet in which something is wrong."""

from __future__ import annotations

import csv
import gzip
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Dialog, Locator, Page, Route, expect

from tests.page.showcase import BULLY, HOSTILE, showcase
from tests.page.test_page import opened
from tests.server.access.serving import Served

PAGES = {
    "fleet": "/",
    "domains": "/domains",
    "hosts": "/hosts",
    "domain": "/domains/db-01",
    "devices": "/domains/db-01?tab=devices",
    "filters": "/domains/db-01?tab=filters",
    "configuration": "/domains/db-01?tab=configuration",
    "host": "/hosts/kvm2",
    "storage": "/hosts/kvm2?tab=storage",
    "host that is down": "/hosts/kvm6?tab=facts",
    "compare": "/compare?ids=00000002-0000-4000-9000-000000000002,00000000-0000-4000-9000-000000000000",
    "events": "/events",
    "analyses": "/analyses",
    "alerts": "/alerts",
    "health": "/health",
    "what if": "/analyses/plan?set=window%3D20m%3Bcoverage%3D0.2%3Bdies%3Dkvm4",
    "size against risk": "/analyses/cpu-sizing?set=window%3D20m%3Bcoverage%3D0.2%3Bsamples%3D1",
    "rebalance": "/analyses/rebalance?set=window%3D20m%3Bcoverage%3D0.2%3Bimbalance%3D0%3Brounds%3D1%3Bgain%3D0",
    "finding": "/domains/web-01",
}
RULES = {
    "light": "{runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa']}",
    # What depends on colours.
    "dark": "{runOnly: {type: 'rule', values: ['color-contrast', 'link-in-text-block']}}",
}
AXE = Path(__file__).parent.parent.parent / "web/node_modules/axe-core/axe.min.js"


def rows(page: Page) -> Locator:
    """The rows of a table that are in view."""
    return page.get_by_role("region", name="Domains").locator("tbody tr:not([aria-hidden])")


def settled(page: Page) -> None:
    """Wait until the page shows what it was asked for."""
    expect(page.get_by_test_id("live")).to_contain_text("live")
    expect(page.get_by_text("Loading …")).to_have_count(0)
    expect(page.get_by_text("Running …")).to_have_count(0)


def start_of(address: str) -> float:
    """Where the range of a request begins."""
    [start] = parse_qs(urlsplit(address).query)["start"]
    return float(start) if not start.startswith("-") else time.time()


def test_the_bully_is_found_in_three_clicks(shown: Page) -> None:
    shown.goto("/")
    shown.get_by_role("group", name="Contention").or_(shown.get_by_role("link", name="Contention")).click()
    expect(shown.get_by_role("heading", name="kvm2")).to_be_visible()
    first = shown.get_by_role("region", name="Who takes CPU").get_by_role("listitem").first
    expect(first).to_contain_text(BULLY)
    first.get_by_role("link").click()
    expect(shown.get_by_role("heading", name=BULLY)).to_be_visible()


def test_the_fleet_tells_what_is_wrong(shown: Page) -> None:
    shown.goto("/")
    expect(shown.get_by_role("link", name="Hosts up")).to_contain_text("5 / 6")
    tiles = shown.get_by_role("region", name="Map of hosts")
    expect(tiles.get_by_role("link", name="kvm6")).to_contain_text("down")
    tiles.get_by_role("button", name="Steal").click()
    assert shown.url.endswith("?map=steal")
    expect(shown.get_by_role("region", name="Most CPU").get_by_role("listitem").first).to_contain_text(BULLY)
    expect(shown.get_by_role("region", name="Slowest disks").get_by_role("listitem").first).to_contain_text("db-02")
    expect(shown.get_by_role("region", name="Latest events")).to_contain_text("crashed")


def test_a_search_completes_and_is_in_the_address(shown: Page) -> None:
    shown.goto("/domains")
    expect(rows(shown).first).to_contain_text(BULLY)
    shown.keyboard.press("/")
    shown.keyboard.type("sta")
    expect(shown.get_by_role("option").first).to_have_text(re.compile("state:"))
    shown.keyboard.press("Tab")
    shown.keyboard.type("shut")
    shown.keyboard.press("Tab")
    expect(rows(shown).first).to_contain_text("shut off")
    assert "q=state" in shown.url
    shown.goto("/domains?q=project:data cpu>50 -stale:yes")
    expect(rows(shown)).to_have_count(1)
    expect(rows(shown).first).to_contain_text(BULLY)
    shown.goto("/domains?q=gpu>3")
    expect(shown.get_by_text("left out: gpu>3")).to_be_visible()


def test_columns_order_and_views_are_kept(shown: Page) -> None:
    shown.goto("/domains")
    shown.get_by_role("button", name="Columns").click()
    shown.get_by_role("checkbox", name="Flavor").check()
    shown.keyboard.press("Escape")
    shown.get_by_role("columnheader", name="Flavor").get_by_role("button").click()
    assert "sort=flavor" in shown.url
    assert "flavor" in shown.url.partition("cols=")[2]
    shown.get_by_role("button", name="Views").click()
    shown.get_by_label("Name of this view").fill("by flavor")
    shown.get_by_role("button", name="Keep", exact=True).click()
    shown.goto("/domains")
    expect(shown.get_by_role("columnheader", name="Flavor")).to_have_count(0)
    shown.get_by_role("button", name="Views").click()
    shown.get_by_role("button", name="by flavor", exact=True).click()
    expect(shown.get_by_role("columnheader", name="Flavor")).to_have_attribute("aria-sort", "ascending")


def test_what_is_shown_can_be_taken_away(shown: Page) -> None:
    shown.goto("/domains?q=project:lab&cols=name,state,cpu")
    shown.get_by_role("button", name="Save").click()
    with shown.expect_download() as saved:
        shown.get_by_role("button", name="CSV").click()
    [header, *lines] = list(csv.reader(saved.value.path().read_text(encoding="utf-8").splitlines()))
    assert header == ["name", "state", "cpu (ratio)"]
    assert len(lines) == 12
    assert {line[1] for line in lines} == {"running", "shut off"}
    assert [line[0] for line in lines if "alert" in line[0]] == [HOSTILE]
    with shown.expect_download() as saved:
        shown.get_by_role("button", name="JSON").click()
    assert {one["name"] for one in json.loads(saved.value.path().read_text())} == {line[0] for line in lines}


def test_chosen_domains_are_compared(shown: Page) -> None:
    shown.goto("/domains?q=db&sort=name")
    for name in ("db-01", "db-02"):
        shown.get_by_role("checkbox", name=f"Choose {name}").check()
    shown.get_by_role("link", name="Compare 2").click()
    chart = shown.get_by_role("region", name="CPU used", exact=True)
    expect(chart.get_by_role("button", name="db-01")).to_be_visible()
    expect(chart.get_by_role("button", name="db-02")).to_be_visible()


def test_charts_share_a_range_that_is_dragged_and_taken_back(shown: Page) -> None:
    shown.goto("/domains/db-01")
    settled(shown)
    chart = shown.get_by_role("region", name="CPU", exact=True)
    canvas = chart.locator(".u-over")
    expect(canvas).to_be_visible()
    box = canvas.bounding_box()
    assert box
    shown.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 40)
    shown.mouse.down()
    shown.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 40, steps=4)
    shown.mouse.up()
    expect(shown.get_by_role("button", name="Live")).to_be_visible()
    assert re.search(r"from=\d+&to=\d+", shown.url)
    shown.go_back()
    assert "from=" not in shown.url
    chart.get_by_role("group").press("+")
    assert "from=" in shown.url
    shown.get_by_role("button", name="Live").click()
    with shown.expect_request(lambda asked: "/series?" in asked.url and start_of(asked.url) < time.time() - 86_400):
        shown.get_by_label("Compare with").select_option("day")
    assert "vs=day" in shown.url


def test_a_chart_is_taken_away_as_figures_and_as_a_picture(shown: Page) -> None:
    shown.goto("/domains/db-01")
    settled(shown)
    save = shown.get_by_role("button", name="Disk latency: save")
    save.click()
    with shown.expect_download() as saved:
        shown.get_by_role("button", name="Figures (CSV)").click()
    lines = list(csv.reader(saved.value.path().read_text().splitlines()))
    assert lines[0][:2] == ["time", "vda Read latency (seconds)"]
    assert any(line[1] for line in lines[1:])
    with shown.expect_download() as saved:
        shown.get_by_role("button", name="Picture (PNG)").click()
    assert saved.value.path().read_bytes().startswith(b"\x89PNG")


def test_a_domain_has_its_filters_its_history_and_its_life(shown: Page) -> None:
    shown.goto("/domains/db-01")
    shown.get_by_role("tab", name="Filters").click()
    expect(shown.get_by_text("no-mac-spoofing")).to_be_visible()
    expect(shown.get_by_text("srcmacaddr=52:54:00:00:00:02").first).to_be_visible()
    shown.get_by_role("tab", name="Filters").press("ArrowRight")
    expect(shown.get_by_role("tab", name="Configuration")).to_be_focused()
    expect(shown.locator(".added").first).to_contain_text("100663296")
    expect(shown.get_by_test_id("xml")).to_contain_text("archive.qcow2")
    shown.get_by_role("button", name="first seen").click()
    expect(shown.get_by_test_id("xml")).not_to_contain_text("archive.qcow2")
    shown.goto("/domains/cache-01?tab=events")
    life = shown.get_by_role("region", name="Its life")
    expect(life.get_by_role("link")).to_have_text(["kvm1", "kvm3"])


def test_an_analysis_is_run_and_leads_to_its_evidence(shown: Page) -> None:
    shown.goto("/analyses")
    shown.get_by_role("link", name="Contention").click()
    expect(shown.get_by_role("group", name="Verdict")).to_contain_text("insufficient data")
    shown.get_by_text("Settings and method").click()
    shown.get_by_label("window", exact=False).first.fill("20m")
    shown.get_by_label("coverage", exact=False).first.fill("0.2")
    shown.get_by_label("warning", exact=False).first.fill("0.001")
    shown.get_by_role("button", name="Run with these").click()
    expect(shown.get_by_role("group", name="Verdict")).to_contain_text("contended")
    assert "set=window%3D20m%3B" in shown.url
    shown.get_by_role("link", name="Its charts of that time").first.click()
    expect(shown.get_by_role("button", name="Live")).to_be_visible()


def test_a_host_that_is_down_keeps_its_history(shown: Page) -> None:
    shown.goto("/hosts/kvm6")
    expect(shown.get_by_role("alert")).to_contain_text("Connection timed out")
    expect(shown.get_by_role("alert")).to_contain_text("history is kept")
    settled(shown)
    shown.goto("/hosts/kvm6?tab=domains")
    expect(shown.get_by_role("region", name="Domains of kvm6")).to_contain_text("stale")


def test_hostile_names_are_text(shown: Page) -> None:
    asked: list[str] = []

    def heard(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    shown.on("dialog", heard)
    shown.goto("/domains?q=alert")
    link = shown.get_by_role("link", name=HOSTILE)
    expect(link).to_be_visible()
    link.click()
    expect(shown.get_by_role("heading", name=HOSTILE)).to_be_visible()
    shown.keyboard.press("Control+k")
    shown.keyboard.type("alert")
    expect(shown.get_by_role("option", name="alert(1")).to_be_visible()
    shown.keyboard.press("Escape")
    assert shown.locator("img").count() == 0
    assert asked == []


def test_everything_is_reached_without_a_mouse(shown: Page) -> None:
    shown.goto("/events")
    settled(shown)
    shown.keyboard.press("Tab")
    expect(shown.get_by_role("link", name="To the content")).to_be_focused()
    shown.keyboard.press("Control+k")
    shown.keyboard.type("batch")
    shown.keyboard.press("Enter")
    expect(shown.get_by_role("heading", name=BULLY)).to_be_visible()
    shown.keyboard.press("g")
    shown.keyboard.press("d")
    table = shown.get_by_role("region", name="Domains")
    expect(table).to_be_visible()
    table.focus()
    shown.keyboard.press("Space")
    expect(shown.get_by_role("link", name="Compare 1")).to_be_visible()
    shown.keyboard.press("ArrowDown")
    shown.keyboard.press("Enter")
    expect(shown.get_by_role("tab", name="Charts")).to_be_visible()
    shown.keyboard.press("?")
    expect(shown.get_by_role("dialog", name="Keys")).to_be_visible()
    shown.keyboard.press("Escape")


def test_the_page_speaks_chinese(shown: Page) -> None:
    shown.goto("/")
    shown.get_by_role("button", name="Language").click()
    expect(shown.get_by_role("link", name="虚拟机", exact=True)).to_be_visible()
    expect(shown.locator("html")).to_have_attribute("lang", "zh")
    shown.get_by_role("button", name="语言").click()
    expect(shown.get_by_role("link", name="Domains", exact=True)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(chromium: Browser, fleet: Served, scheme: str) -> None:
    with opened(chromium, fleet.address, "status of 404", scheme=scheme) as page:
        found = {}
        for name, path in PAGES.items():
            page.goto(path)
            settled(page)
            # Evaluated by the browser itself: the page's policy lets no script in.
            page.evaluate(AXE.read_text(encoding="utf-8"))
            answer = page.evaluate(f"axe.run({RULES[scheme]})")
            violations = [
                f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
                for one in answer["violations"]
                for node in one["nodes"][:3]
            ]
            if violations:
                found[name] = violations
        assert found == {}


def test_nothing_is_cut_off_on_a_phone(chromium: Browser, fleet: Served) -> None:
    with opened(chromium, fleet.address, "status of 404", width=360) as page:
        wide = {}
        for name, path in PAGES.items():
            page.goto(path)
            settled(page)
            width = page.evaluate("document.documentElement.scrollWidth")
            if width > 360:
                wide[name] = width
        assert wide == {}


def test_what_is_forbidden_is_said(chromium: Browser, fleet: Served) -> None:
    problem = {"title": "Forbidden", "status": 403, "detail": "you may not see this", "hint": "Ask an admin."}

    def refuse(route: Route) -> None:
        route.fulfill(status=403, json=problem)

    with opened(chromium, fleet.address, "status of 403", "status of 404") as page:
        page.route("**/api/v1/hosts", refuse)
        page.goto("/")
        expect(page.get_by_role("alert")).to_contain_text("you may not see this")
        expect(page.get_by_role("alert")).to_contain_text("Ask an admin")
        page.unroute("**/api/v1/hosts")
        expect(page.get_by_test_id("live")).to_contain_text("live")


def test_first_load_is_small(shown: Page) -> None:
    shown.goto("/")
    settled(shown)
    scripts = shown.evaluate(
        "performance.getEntriesByType('resource')"
        ".filter((one) => one.initiatorType === 'script').map((one) => one.name)"
    )
    loaded = [shown.request.get(address).body() for address in scripts]
    assert loaded
    assert sum(len(gzip.compress(one)) for one in loaded) <= 200_000


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two hosts without any domain."""
    with showcase(tmp_path_factory.mktemp("empty"), seconds=60, step=30, hosts=2, domains=0) as served:
        yield served


def test_a_fleet_without_domains_says_what_to_do(chromium: Browser, empty: Served) -> None:
    with opened(chromium, empty.address, "status of 404") as page:
        page.goto("/domains")
        expect(page.get_by_test_id("nothing")).to_contain_text("virsh define")
