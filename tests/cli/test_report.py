"""The report's page and its charts: foreign strings are escaped, and what is not known is not drawn."""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import fromstring

from virtscope.cli import report, svg
from virtscope.cli.report import Asking, Chart, Section
from virtscope.errors import ServerError

EVIL = "<script>alert(1)</script>\"'&"


def finding(verdict: str = EVIL) -> dict[str, Any]:
    subject = {"kind": "domain", "id": "d", "name": EVIL, "host": "h", "host_name": EVIL, "part": EVIL}
    evidence = {"start": 0.0, "end": 86_400.0, "samples": 1, "coverage": 1.0, "notes": [EVIL]}
    return {
        "analysis": "idle", "subject": subject, "verdict": verdict, "severity": "warning", "reason": EVIL,
        "confidence": 0.5, "figures": [], "effect": {"bytes": 1024.0, "vcpus": 2.0}, "action": EVIL,
        "evidence": {**evidence, "series": [{"quantity": "cpu_ratio", "object": "d"}]},
    }  # fmt: skip


def answer(*findings: dict[str, Any]) -> dict[str, Any]:
    counts = {one["verdict"]: 1 for one in findings}
    return {"title": EVIL, "start": 0.0, "end": 86_400.0, "verdicts": counts, "findings": list(findings)}


def described(name: str, *settings: str) -> dict[str, Any]:
    return {"name": name, "title": name, "help": "Why?", "settings": [{"name": one} for one in settings]}


def test_nothing_foreign_is_taken_for_html() -> None:
    chart = Chart(EVIL, [0.0, 300.0], [1.0, 2.0], "ratio")
    page = report.page(EVIL, 0.0, [Section(answer(finding()), EVIL, [chart])])
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 9
    assert "1 KiB, 2 vcpus" in page


def test_a_chart_is_broken_where_nothing_is_known() -> None:
    drawn = svg.lines("x", [0, 1, 2, 3, 4], [1.0, 2.0, None, float("nan"), 4.0], str, str)
    root = fromstring(drawn)
    [line] = root.findall(".//polyline")
    assert len(line.get("points", "").split()) == 2
    assert len(root.findall(".//circle")) == 1
    assert [text.text for text in root.findall(".//g[@class='axes']/text")] == ["0.0", "2.0", "4.0", "0", "4"]
    highest = re.findall(r"([\d.]+),([\d.]+)", line.get("points", ""))
    assert float(highest[1][1]) < float(highest[0][1]), "a higher value is further up"


def test_a_chart_of_nothing_says_so() -> None:
    for values in ([], [None, None]):
        assert "nothing is known" in svg.lines("x", range(len(values)), values, str, str)


def test_a_bar_is_as_wide_as_its_counts() -> None:
    widths = [float(one.get("width", "")) for one in fromstring(svg.bar([("a", "warning", 3), ("b", "ok", 1)]))]
    assert widths == [480.0, 160.0]
    assert svg.bar([]) == ""


def test_a_report_asks_for_the_series_that_findings_point_to() -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    def get(path: str, query: list[tuple[str, str]]) -> Any:
        asked.append((path, dict(query)))
        if path == "quantities":
            return [{"scope": "domain", "name": "cpu_ratio", "unit": "ratio"}]
        if path == "series":
            return {"times": [0, 300], "series": [{"points": [0.5, None]}]}
        return answer(finding(), finding("insufficient data"))

    section = Asking(get, [("host", "h1")], "7d").section(described("idle", "window"))
    assert asked[1] == ("analyses/idle", {"host": "h1", "window": "7d"})
    path, query = asked[2]
    assert (path, query["scope"], query["object"], query["quantity"]) == ("series", "domain", "d", "cpu_ratio")
    assert [(chart.values, chart.unit) for chart in section.charts] == [([0.5, None], "ratio")]
    assert len(asked) == 3


def test_an_analysis_that_fails_is_named_and_costs_only_itself() -> None:
    def get(path: str, query: list[tuple[str, str]]) -> Any:
        if path == "quantities":
            return []
        if path == "analyses/broken":
            raise ServerError("the server <failed>")
        return answer(finding("insufficient data"))

    asking = Asking(get, [], "7d")
    sections = [asking.section(described(name)) for name in ("broken", "idle")]
    page = report.page("here", 0.0, sections)
    assert page.count("no answer: the server &lt;failed&gt;") == 2
    assert "1 insufficient data" in page
