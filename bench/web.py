"""The page in a real browser, over a fleet of 20,000 domains, by the browser's own performance API.

    ./dev bench web [--hosts 100] [--domains 200]

The fleet is made up and in a server of this process, which the browser shares the machine with.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Page
from rich.console import Console
from rich.table import Table

from tests.page.showcase import showcase
from tests.page.test_page import browser

WATCH = """
window.tasks = [];
new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map((one) => one.duration)))
    .observe({ type: 'longtask', buffered: true });
window.paint = 0;
new PerformanceObserver((list) => { window.paint = list.getEntries().at(-1).startTime; })
    .observe({ type: 'largest-contentful-paint', buffered: true });
"""
QUIET_MS = 1_000


def longest(page: Page, act: Callable[[], object]) -> float:
    """The longest task that something makes the browser do, ms; tasks under 50 ms are not told: 0."""
    page.wait_for_timeout(QUIET_MS)
    page.evaluate("window.tasks.length = 0")
    act()
    page.wait_for_timeout(QUIET_MS)
    return float(max(page.evaluate("window.tasks"), default=0))


def small(folder: Path) -> Iterator[tuple[str, str, str]]:
    """What everybody gets: the first load, and a domain's charts."""
    with showcase(folder, seconds=86_400, step=300) as served, browser(served.address) as page:
        page.add_init_script(WATCH)
        page.goto("/")
        page.locator("path[d^=M]").first.wait_for()
        names = page.evaluate(
            "performance.getEntriesByType('resource').map((one) => one.name).filter((name) => name.endsWith('.js'))"
        )
        script = sum(len(gzip.compress(page.request.get(name).body())) for name in names)
        yield "script of the first load, gzip", f"{script / 1000:.0f} kB", "≤ 200"
        yield "largest paint of the fleet page", f"{page.evaluate('window.paint'):.0f} ms", "≤ 1000"
        taken = []
        for _ in range(5):
            page.goto("/domains?q=db")
            link = page.get_by_role("link", name="db-01", exact=True)
            link.wait_for()
            link.evaluate("(one) => { one.href += '?range=24h'; }")
            began = time.perf_counter()
            link.click()
            page.locator("canvas").nth(5).wait_for()
            taken.append((time.perf_counter() - began) * 1000)
        yield "24 h of a domain's charts, from the click", f"{statistics.median(taken):.0f} ms", "≤ 300"


def large(folder: Path, hosts: int, domains: int) -> Iterator[tuple[str, str, str]]:
    """What a table of a large fleet costs."""
    with showcase(folder, seconds=60, step=60, hosts=hosts, domains=domains) as served, browser(served.address) as page:
        page.add_init_script(WATCH)
        page.goto("/domains")
        table = page.get_by_role("region", name="Domains")
        table.wait_for()
        of = f"{hosts * domains:,} rows: longest task of"
        for name in ("Memory", "Name", "Disk latency"):
            button = page.get_by_role("columnheader", name=name, exact=True).get_by_role("button")
            yield f"{of} sorting by {name.lower()}", f"{longest(page, button.click):.0f} ms", "≤ 100"
        scroll = """async (one) => {
            for (let i = 0; i < 60; i++) { one.scrollTop += 300; await new Promise(requestAnimationFrame); }
        }"""
        yield f"{of} scrolling", f"{longest(page, lambda: table.evaluate(scroll)):.0f} ms", "≤ 100"
        field = page.get_by_role("combobox", name="Filter domains")
        typing = longest(page, lambda: field.press_sequentially("project:data cpu>50", delay=60))
        yield f"{of} searching", f"{typing:.0f} ms", "≤ 100"


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=100)
    parser.add_argument("--domains", type=int, default=200, help="of each host")
    chosen = parser.parse_args()
    table = Table("What", "Measured", "Wanted")
    for name in ("small", "large"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder)
            for row in small(path) if name == "small" else large(path, chosen.hosts, chosen.domains):
                table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
