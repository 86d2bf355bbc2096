"""What the page says beyond figures: alerts and findings on charts, holes in filters, analyses as pictures, keeping."""

from __future__ import annotations

import csv
import re

from playwright.sync_api import Page, expect

from tests.page.showcase import BULLY
from tests.page.test_fleet import settled

QUICK = "window%3D20m%3Bcoverage%3D0.2"


def test_a_chart_of_averages_has_its_peaks(shown: Page) -> None:
    shown.goto("/domains/web-01?range=24h")
    settled(shown)
    chart = shown.get_by_role("region", name="CPU", exact=True)
    for _ in range(2):  # the newest step may have one sample so far, which is its own peak
        chart.get_by_role("group").press("ArrowLeft")
    expect(chart.get_by_role("button", name="CPU used")).to_contain_text(re.compile(r"[\d.]+ ≤ [\d.]+"))
    chart.get_by_role("button", name="CPU: save").click()
    with shown.expect_download() as saved:
        chart.get_by_role("button", name="Figures (CSV)").click()
    header, *lines = list(csv.reader(saved.value.path().read_text().splitlines()))
    mean, peak = header.index("CPU used (cores)"), header.index("CPU used, highest (cores)")
    pairs = [(float(line[mean]), float(line[peak])) for line in lines if line[mean] and line[peak]]
    assert pairs
    assert all(low <= high * 1.000001 for low, high in pairs)
    assert any(high > low * 1.001 for low, high in pairs)


def test_alerts_are_on_the_landing_page_and_on_charts(shown: Page) -> None:
    shown.goto("/")
    expect(shown.get_by_role("link", name="Alerts ✖ 5")).to_contain_text("1 critical")
    shown.goto("/domains/ci-04")
    expect(shown.get_by_role("list", name="Alerts")).to_contain_text("Move it, or the bully.")
    settled(shown)
    chart = shown.get_by_role("region", name="Steal", exact=True)
    for _ in range(4):
        chart.get_by_role("group").press("ArrowLeft")
    expect(chart).to_contain_text("Alert: waits")
    shown.goto("/hosts/kvm6")
    expect(shown.get_by_role("list", name="Alerts")).to_contain_text("host-down")


def test_a_finding_is_drawn_where_it_looked_and_can_be_dismissed(shown: Page) -> None:
    shown.goto("/domains/web-01")
    findings = shown.get_by_role("region", name="Findings")
    expect(findings).to_contain_text("oversized")
    settled(shown)
    chart = shown.get_by_role("region", name="CPU", exact=True)
    for _ in range(8):
        chart.get_by_role("group").press("ArrowLeft")
    expect(chart).to_contain_text("Finding: oversized (cpu-sizing)")
    findings.get_by_role("button", name="Dismiss").click()
    findings.get_by_label("Why").fill("it grows next week")
    findings.get_by_label("For").select_option(label="7 days")
    findings.get_by_role("button", name="Dismiss").click()
    expect(findings).to_have_count(0)
    shown.goto("/analyses")
    dismissed = shown.get_by_role("region", name="Dismissed")
    expect(dismissed).to_contain_text("it grows next week")
    dismissed.get_by_role("button", name="Bring back").click()
    expect(dismissed).to_have_count(0)
    shown.goto("/domains/web-01")
    expect(findings).to_contain_text("oversized")


def test_a_hole_in_a_filter_is_marked_at_the_rule_that_lets(shown: Page) -> None:
    shown.goto("/domains/db-01?tab=filters")
    tried = shown.get_by_role("list", name="Forged frames")
    expect(tried.get_by_role("listitem")).to_have_text(
        [
            "✔ a forged MAC is stopped",
            "✔ a forged IP is stopped",
            "▲ a forged ARP (MAC) passes",
            "▲ a forged ARP (IP) passes",
            "▲ a forged IPv6 passes",
        ]
    )
    letting = shown.get_by_role("list", name="Rules of allow-ipv6").get_by_role("listitem")
    expect(letting).to_contain_text("hole: lets a forged IPv6 pass")
    stopping = shown.get_by_role("list", name="Rules of no-mac-spoofing").get_by_role("listitem").nth(1)
    expect(stopping).to_contain_text("stops a forged MAC")
    expect(shown.get_by_text("hole: no rule speaks of a forged ARP (IP)")).to_be_visible()


def test_a_size_stands_against_its_risk(shown: Page) -> None:
    shown.goto(f"/analyses/cpu-sizing?set={QUICK}%3Bsamples%3D1")
    section = shown.get_by_role("region", name="Size against risk")
    policies = section.get_by_role("table").first
    expect(policies.get_by_role("row")).to_have_count(10)
    shares = [re.findall(r"([\d.]+) %", row) for row in policies.get_by_role("row").all_inner_texts()[1:]]
    kept = [float(one[0]) for one in shares]
    assert kept == sorted(kept)
    assert float(shares[-1][1]) == 0.0, "of what has the peak nobody lacks"
    section.get_by_label("One domain").select_option(index=1)
    own = section.get_by_role("table").nth(1)
    risks = [float(re.findall(r"([\d.]+) %", row)[0]) for row in own.get_by_role("row").all_inner_texts()[1:]]
    assert len(risks) >= 2
    assert risks == sorted(risks, reverse=True)


def test_a_rebalance_is_seen_before_and_after(shown: Page) -> None:
    settings = f"{QUICK}%3Bimbalance%3D0%3Brounds%3D1%3Bgain%3D0"
    shown.goto(f"/analyses/rebalance?set={settings}")
    section = shown.get_by_role("region", name="Before and after")
    steps = section.get_by_role("list").get_by_role("listitem")
    expect(steps.first).to_contain_text(re.compile(r"kvm\d → kvm\d"))
    rows = section.get_by_role("table").get_by_role("row")
    loads = [[float(one) for one in re.findall(r"([\d.]+) %", row)] for row in rows.all_inner_texts()[1:]]
    assert max(before for before, _ in loads) > max(after for _, after in loads)


def test_what_if_is_asked_by_clicking(shown: Page) -> None:
    shown.goto(f"/analyses/plan?set={QUICK}")
    asked = shown.get_by_role("region", name="What if")
    asked.get_by_role("button", name="kvm4").click()
    expect(shown.get_by_text("without kvm4 its domains")).to_be_visible()
    assert "dies" in shown.url
    asked.get_by_label("each with").select_option(index=1)
    asked.get_by_label("Domains that come").fill("3")
    asked.get_by_label("Domains that come").press("Tab")
    expect(shown.get_by_text("3 are to come:")).to_be_visible()
    asked.get_by_role("button", name="kvm4").click()
    expect(shown.get_by_text("without kvm4 its domains")).to_have_count(0)


def test_what_is_kept_is_told(shown: Page) -> None:
    shown.goto("/health")
    kept = shown.get_by_role("region", name="What is kept")
    expect(kept.get_by_role("row").nth(1)).to_contain_text(re.compile(r"newest hours hot.*MiB"))


def test_the_bully_is_named_by_the_finding_on_whom_it_hurts(shown: Page) -> None:
    shown.goto("/")
    expect(shown.get_by_role("region", name="Findings")).to_contain_text(BULLY)
