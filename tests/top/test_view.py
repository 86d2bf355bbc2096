"""What is shown, as values: lines, sums, trails, curves; and the rounds of batch mode."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.top.fleet import HOSTILE, FakeSource, domain
from virtscope.cli.formats import Format
from virtscope.errors import BadInput, ServerError
from virtscope.top import batch, drawing, view
from virtscope.top.snapshot import Feed, Snapshot
from virtscope.top.trails import LENGTH, Trails
from virtscope.top.view import Look, Tree


def snapshot(source: FakeSource, at: float = 1.0) -> Snapshot:
    items = {kind: source.items(kind) for kind in ("hosts", "domains", "disks", "nics")}
    return Snapshot(at, items, answered=at)  # type: ignore[arg-type]  # mypy widens the kinds to str


def test_a_trail_remembers_what_is_known_and_forgets_who_is_gone() -> None:
    source, trails = FakeSource(), Trails()
    key = source.domains[0].id
    for round_number in range(3 * LENGTH):
        source.domains[0].figures["cpu_ratio"] = None if round_number % 2 else 0.5
        trails.add(snapshot(source, float(round_number)))
    kept = trails.of("domains", key, "cpu_ratio")
    assert list(kept[-3:]) == [None, 0.5, None]
    assert len(kept) == LENGTH
    assert list(trails.of("domains", source.domains[2].id, "cpu_ratio")[-1:]) == [None], "what is stale is not known"
    assert list(trails.both("disks", f"{key} vda", "read", "write")[-1:]) == [3e6]
    del source.domains[0]
    trails.add(snapshot(source, 999.0))
    assert trails.of("domains", key, "cpu_ratio") == []
    trails.add(Snapshot(1000.0, problem="away", answered=999.0))
    assert trails.times[-1] == 999.0, "an answer that did not come is no figure"


def test_a_sparkline() -> None:
    assert drawing.sparkline([0.0, 0.5, 1.0], 5, 1.0) == "  ▁▄█"
    assert drawing.sparkline([None, 1.0], 2, 1.0) == " █"
    assert drawing.sparkline([1, 2, 4], 2) == "▄█"
    assert drawing.sparkline([], 3) == "   "


def test_a_chart() -> None:
    assert drawing.chart([0.5, 1.0], 1, 2, 1.0) == ["⢸", "⣿"]
    assert drawing.chart([0.0, None], 1, 1, 1.0) == ["⡀"], "0 is drawn, what is not known is not"
    assert drawing.resampled([1, 5, 2, None], 2) == [5, 2]


@given(st.lists(st.none() | st.floats(0, 1e12), max_size=50), st.integers(1, 20), st.integers(1, 6))
def test_every_chart_fits(values: list[float | None], width: int, height: int) -> None:
    drawn = drawing.chart(values, width, height)
    assert [len(line) for line in drawn] == [width] * height
    assert len(drawing.sparkline(values, width)) == width


def test_the_sums_of_a_branch() -> None:
    lines = view.lines(snapshot(FakeSource()), Look(tree=Tree.PROJECT))
    assert [line.branch for line in lines if line.item is None] == [
        "▾ (no project)  1 domain",
        "▾ data  1 domain · 0.40 cores",
        "▾ web  2 domains · 2.74 cores · 2 GiB memory",
    ]


def test_devices_are_found_by_their_domain() -> None:
    lines = view.lines(snapshot(FakeSource()), Look("disks", "project:web write>1M", "DOMAIN", descending=False))
    assert [line.item["domain_name"] for line in lines if line.item] == ["web-1", "web-2"]


def test_the_feed_asks_for_what_is_looked_at() -> None:
    source = FakeSource()
    feed = Feed(source, 1.0, lambda _snapshot: None)
    feed.look_at("nics", source.domains[0].id)
    found = feed.ask()
    assert source.asked == ["domains", "hosts", "nics"]
    assert found.detail is not None
    feed.look_at("domains", "nobody")
    assert feed.ask().problem == "no domain 'nobody': it is not defined any more"
    assert feed.step(1000) == 60
    assert feed.step(1e-9) == 0.5


def test_the_feed_samples_at_its_own_pace() -> None:
    source = FakeSource()
    told: list[Snapshot] = []
    feed = Feed(source, 1.0, told.append)
    feed.step(2)
    feed.look_at("domains")
    feed.pause(True)
    feed.start()
    feed.stop()
    feed._thread.join(20)
    assert not feed._thread.is_alive()
    assert source.paces in ([], [2.0])


def rounds(
    form: Format, count: int = 2, file: Path | None = None, source: FakeSource | None = None, look: Look | None = None
) -> str:
    stream = io.StringIO()
    rests: list[float] = []
    console = Console(file=stream, width=200)
    batch.run(source or FakeSource(), console, look or Look(), 5.0, count, form, file, rests.append)
    assert len(rests) == count - 1
    assert all(0 <= rest <= 5.0 for rest in rests)
    return stream.getvalue()


def test_rounds_in_every_format(tmp_path: Path) -> None:
    assert rounds(Format.TABLE).count("✗ beta is down: no route to host") == 2
    rows = list(csv.reader(io.StringIO(rounds(Format.CSV))))
    assert rows[0][:4] == ["time", "name", "state", "host"]
    assert [row[1] for row in rows] == ["name", *["web-1", "web-2", "db-10", "idle"] * 2]
    told = [json.loads(line) for line in rounds(Format.JSON).splitlines()]
    assert [len(one["domains"]) for one in told] == [4, 4]
    assert [one["firing"] for one in told] == [4, 4]
    assert "▲ 1 critical △ 2 warning ◇ 1 info" in rounds(Format.TABLE)
    file = tmp_path / "out.csv"
    rounds(Format.WIDE, 1, file)
    assert len(file.read_text().splitlines()) == 5


def test_rounds_of_alerts() -> None:
    look = Look("alerts", "state:firing", "SEVERITY")
    rows = list(csv.DictReader(io.StringIO(rounds(Format.CSV, 1, look=look))))
    assert [(row["rule"], row["severity"], row["object"]) for row in rows[:2]] == [
        ("host-down", "critical", "beta"),
        ("domain-down", "critical", "idle"),
    ]
    assert len(json.loads(rounds(Format.JSON, 1, look=look))["alerts"]) == 5
    source = FakeSource()
    source.asks_rules = False
    with pytest.raises(BadInput, match="has no alerts"):
        rounds(Format.TABLE, 1, source=source, look=look)
    assert json.loads(rounds(Format.JSON, 1, source=source))["firing"] is None


def test_rounds_go_on_while_a_server_is_away() -> None:
    source = FakeSource()
    source.away = True
    with pytest.raises(ServerError, match="no virtscope server"):
        rounds(Format.TABLE, source=source)
    with pytest.raises(BadInput, match="cannot be written as name"):
        rounds(Format.NAME)


def test_hostile_names_steer_no_round(tmp_path: Path) -> None:
    source = FakeSource()
    source.domains = [domain(1, HOSTILE, "alpha"), domain(2, "=cmd|' /C calc'!A0", "alpha")]
    for form in (Format.TABLE, Format.WIDE, Format.CSV, Format.JSON):
        shown = rounds(form, 1, source=source)
        assert all(character.isprintable() or character == "\n" for character in shown), form
    assert "'=cmd" in rounds(Format.CSV, 1, source=source)
