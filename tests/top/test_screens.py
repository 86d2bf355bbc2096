"""Every screen of ``virtscope top``, driven as by hand, and what stands on it."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, TabbedContent

from tests.top.fleet import HOSTILE, FakeSource, domain, many
from virtscope.text import UNKNOWN
from virtscope.top.app import TopApp
from virtscope.top.compare_screen import CompareScreen
from virtscope.top.domain_screen import DomainScreen
from virtscope.top.fleet_screen import FleetScreen
from virtscope.top.grid import Grid
from virtscope.top.help_screen import HelpScreen
from virtscope.top.snapshot import LONGEST, Listed
from virtscope.top.view import VIEWS, Look, Tree


class Driven:
    """A top that somebody sits at."""

    def __init__(self, app: TopApp, pilot: Pilot[None], source: FakeSource) -> None:
        self.app, self.pilot, self.source = app, pilot, source

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Put a text where searches are typed."""
        self.app.screen.query_one("#search", Input).value = text
        await self.pilot.pause()

    @property
    def told(self) -> list[str]:
        """What has been said in passing."""
        return [one.message for one in self.app._notifications]

    async def settle(self) -> None:
        """Until the feed has told what is asked for now, and everything is drawn."""
        before = self.app.snapshot
        self.app.action_now()
        deadline = time.monotonic() + 20
        while self.app.snapshot is before:
            assert time.monotonic() < deadline
            await self.pilot.pause(0.005)
        await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    @property
    def text(self) -> str:
        """The screen as text, line by line."""
        size = self.app.screen.size
        lines = self.app.screen._compositor.render_strips(size)
        return "\n".join(line.text.rstrip() for line in lines)

    def rows(self, first: int = 1) -> list[str]:
        """The first words of the table's lines."""
        grid = self.app.screen.query_one(Grid)
        shown = [grid.render_line(y).text for y in range(1, grid.size.height)]
        marks = str.maketrans("●▲△◇", "    ")
        return [" ".join(line.translate(marks).split()[:first]) for line in shown if line.strip()]


def driven(
    does: Callable[[Driven], Awaitable[None]],
    source: FakeSource | None = None,
    kind: Listed = "domains",
    size: tuple[int, int] = (160, 40),
) -> None:
    """Sit at a top for a while."""

    @asynccontextmanager
    async def seated() -> AsyncIterator[Driven]:
        found = source or FakeSource()
        app = TopApp(found, LONGEST, Look(kind, "", VIEWS[kind].order))
        async with app.run_test(size=size) as pilot:
            at = Driven(app, pilot, found)
            await at.settle()
            yield at

    async def play() -> None:
        async with seated() as at:
            await does(at)

    asyncio.run(play())


def test_the_domains() -> None:
    async def does(top: Driven) -> None:
        assert top.rows() == ["web-1", "web-2", "db-10", "idle"], "the busiest first, what is not known last"
        assert "1 of 2 hosts up · 2 of 4 domains running · CPU 4.00 of 8 · memory 16 GiB of 32 GiB" in top.text
        assert "✗ beta is down: no route to host" in top.text
        assert "running, stale" in top.text
        assert "97.0 %" in top.text
        assert "█" in top.text, "the sparkline"
        assert "CORES▼" in top.text
        assert "/ Search" in top.text

    driven(does)


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("h", ["alpha", "beta", "50.0 %", "no route to host"]),
        ("b", ["vda", "1.9 MiB/s", "8 GiB", "web-1"]),
        ("n", ["vnet3", "52:54:00:00:00:01", "clean-traffic", "8.6 MiB/s"]),
    ],
)
def test_the_other_lists(key: str, words: list[str]) -> None:
    async def does(top: Driven) -> None:
        await top.press(key)
        await top.settle()
        for word in words:
            assert word in top.text

    driven(does)


def test_tab_goes_round() -> None:
    async def does(top: Driven) -> None:
        screen = top.app.screen
        assert isinstance(screen, FleetScreen)
        seen = []
        for _ in range(5):
            await top.press("tab")
            seen.append(screen.look.kind)
        assert seen == ["disks", "nics", "alerts", "hosts", "domains"]
        await top.press("shift+tab")
        assert screen.look.kind == "hosts"

    driven(does)


def test_sorting_by_keys_and_titles() -> None:
    async def does(top: Driven) -> None:
        await top.press("1")
        assert top.rows() == ["db-10", "idle", "web-1", "web-2"]
        await top.press("1")
        assert top.rows() == ["web-2", "web-1", "idle", "db-10"]
        await top.press("r")
        assert top.rows()[0] == "db-10"
        await top.press("greater_than_sign")
        assert "STATE▲" in top.text
        await top.press("less_than_sign", "less_than_sign")
        assert "NET OUT▼" in top.text
        grid = top.app.screen.query_one(Grid)
        await top.pilot.click(Grid, offset=(4, 0))
        await top.pilot.pause()
        assert "NAME▲" in top.text
        assert grid.line is not None

    driven(does)


def test_searching() -> None:
    async def does(top: Driven) -> None:
        await top.press("slash")
        await top.type("project:web cpu>50")
        assert top.rows() == ["web-1"], "while it is typed"
        await top.press("enter")
        assert "1 of 4" in top.text
        assert "/project:web cpu>50" in top.text
        await top.press("slash", "escape")
        assert top.rows() == ["web-1"], "a search that is given up leaves the one before"
        await top.press("escape")
        assert len(top.rows()) == 4

    driven(does)


def test_a_search_that_makes_no_sense_says_so() -> None:
    async def does(top: Driven) -> None:
        await top.press("slash")
        await top.type("cpuu>1")
        assert "nothing is called 'cpuu' here" in top.text
        assert "Did you mean cpu" in top.text
        await top.press("enter")
        assert top.app.screen.query_one("#search", Input).display, "it stays to be mended"
        await top.press("escape")
        assert len(top.rows()) == 4
        await top.press("slash")
        await top.type("nothing-like-it")
        await top.press("enter")
        assert "nothing matches 'nothing-like-it'" in top.text

    driven(does)


def test_the_tree_by_host_and_project() -> None:
    async def does(top: Driven) -> None:
        await top.press("t")
        assert top.rows(2) == ["▾ alpha", "web-1 running", "web-2 running", "idle shut", "▾ beta", "db-10 running,"]
        assert "▾ alpha  3 domains · 2.74 cores · 2 GiB memory" in top.text
        await top.press("home", "enter")
        assert top.rows(2) == ["▸ alpha", "▾ beta", "db-10 running,"], "folded"
        await top.press("t")
        assert [row for row in top.rows(2) if row[0] in "▾▸"] == ["▾ (no", "▾ data", "▾ web"]
        await top.press("t")
        screen = top.app.screen
        assert isinstance(screen, FleetScreen)
        assert screen.look.tree is Tree.NONE
        await top.press("b")
        await top.settle()
        await top.press("t", "t")
        assert "▾ web  2 disks · 1.9 MiB/s read" in top.text
        await top.press("h", "t")
        assert "hosts stand by themselves" in top.told[0]

    driven(does)


def test_wide_shows_every_column() -> None:
    async def does(top: Driven) -> None:
        assert "INSTANCE" not in top.text
        await top.press("w")
        await top.press(*["right"] * 12)
        assert "PROJECT" in top.text
        assert "00000000-0000-4000-8000-000000000001" in top.text
        await top.press("w", *["left"] * 12)
        assert "PROJECT" not in top.text

    driven(does)


def test_the_cursor_stays_on_its_line() -> None:
    async def does(top: Driven) -> None:
        grid = top.app.screen.query_one(Grid)
        await top.press("down")
        assert grid.line is not None
        held = grid.line.key
        top.source.domains[1] = dataclasses.replace(top.source.domains[1], figures={"cpu_cores": 9.0, "cpu_ratio": 1.0})
        await top.settle()
        assert top.rows()[0] == "web-2"
        assert grid.line.key == held
        await top.press("end")
        assert grid.line.item
        assert grid.line.item["name"] == "idle"
        await top.press("home", "pagedown", "pageup")
        assert grid.line.item
        assert grid.line.item["name"] == "web-2"

    driven(does)


def test_a_host_opens_its_domains_and_back() -> None:
    async def does(top: Driven) -> None:
        await top.press("home", "enter")
        await top.settle()
        assert sorted(top.rows()) == ["idle", "web-1", "web-2"]
        assert '/host="alpha"' in top.text
        await top.press("escape")
        assert top.rows() == ["alpha", "beta"]

    driven(does, kind="hosts")


def test_marking_and_comparing() -> None:
    async def does(top: Driven) -> None:
        await top.press("c")
        assert "mark two or more" in top.told[0]
        await top.press("home", "space", "space")
        assert "2 marked" in top.text
        assert "●△ web-1" in top.text
        await top.press("c")
        await top.pilot.pause()
        assert isinstance(top.app.screen, CompareScreen)
        assert "2 Domains compared" in top.text
        cpu = next(line for line in top.text.splitlines() if line.strip().startswith("CPU"))
        assert cpu.split() == ["CPU", "97.0", "%", "40.0", "%"]
        await top.press("escape")
        await top.press("u")
        assert "2 marked" not in top.text

    driven(does)


def test_a_domain_closely() -> None:
    async def does(top: Driven) -> None:
        await top.press("home", "enter")
        await top.settle()
        assert isinstance(top.app.screen, DomainScreen)
        assert "web-1  running  on alpha  2 vCPUs, 2 GiB  project web" in top.text
        for words in ("CPU 97.0 %", "Steal 20.0 %", f"Disk read {UNKNOWN}", "not known", "as seen here"):
            assert words in top.text
        assert "⣿" in top.text, "a chart"
        await top.press("right_square_bracket")
        await top.settle()
        assert "the last 60 min, from the server" in top.text
        assert "CPU 75.0 %  highest 75.0 %" in top.text
        await top.press("2")
        assert "/images/disk.qcow2" not in top.text
        assert "vda" in top.text
        await top.press("3")
        assert "started" in top.text
        await top.press("4")
        assert "<domain>" in top.text
        assert "evil\\x1b[31m" in top.text
        await top.press("5")
        assert "no filter" in top.text
        assert top.app.screen.query_one(TabbedContent).active == "filters"
        await top.press("escape")
        assert isinstance(top.app.screen, FleetScreen)

    driven(does)


def test_a_device_opens_its_domain() -> None:
    async def does(top: Driven) -> None:
        await top.press("home", "enter")
        await top.settle()
        assert isinstance(top.app.screen, DomainScreen)
        assert "web-1" in top.text.splitlines()[0]

    driven(does, kind="disks")


def test_a_hypervisor_has_no_history_and_says_so() -> None:
    source = FakeSource()
    source.remembers = False

    async def does(top: Driven) -> None:
        await top.press("home", "enter")
        await top.settle()
        await top.press("right_square_bracket")
        await top.settle()
        assert "asked directly has no history" in top.text
        await top.press("3")
        assert "Only a server keeps it" in top.text

    driven(does, source)


def test_a_domain_that_goes_while_it_is_looked_at() -> None:
    async def does(top: Driven) -> None:
        await top.press("home", "enter")
        await top.settle()
        del top.source.domains[0]
        await top.settle()
        assert "this domain is not there" in top.text

    driven(does)


def test_a_server_that_is_away_leaves_the_last_figures_and_says_so() -> None:
    async def does(top: Driven) -> None:
        top.source.away = True
        await top.settle()
        assert "✗ no virtscope server answers at http://h:1 (refused); these figures are" in top.text
        assert top.rows()[0] == "web-1"
        top.source.away = False
        await top.settle()
        assert "no virtscope server" not in top.text

    driven(does)


def test_nothing_is_known_yet() -> None:
    source = FakeSource()
    source.away = True

    async def does(top: Driven) -> None:
        assert "nothing is known yet" in top.text
        source.away, source.domains = False, []
        await top.settle()
        assert "no domains there" in top.text

    driven(does, source)


def test_pause_and_interval() -> None:
    async def does(top: Driven) -> None:
        await top.press("minus")
        assert top.app.feed.interval == LONGEST / 2
        assert "every 30 s" in top.text
        await top.press("plus", "plus")
        assert top.app.feed.interval == LONGEST
        await top.press("p")
        assert "PAUSED" in top.text
        assert top.app.feed.is_paused
        await top.press("p")
        assert "PAUSED" not in top.text

    driven(does)


def test_help_tells_every_key() -> None:
    async def does(top: Driven) -> None:
        await top.press("question_mark")
        await top.pilot.pause()
        assert isinstance(top.app.screen, HelpScreen)
        for words in ("search, as below", "cpu>80 memory>=4G", "the next theme", "mark a line"):
            assert words in top.text
        await top.press("escape")
        assert isinstance(top.app.screen, FleetScreen)

    driven(does)


def test_themes_go_round() -> None:
    async def does(top: Driven) -> None:
        before = top.app.theme
        await top.press("T")
        assert top.app.theme != before
        assert f"theme {top.app.theme}" in top.told
        assert top.rows()[0] == "web-1"

    driven(does)


def test_the_mouse() -> None:
    async def does(top: Driven) -> None:
        grid = top.app.screen.query_one(Grid)
        await top.pilot.click(Grid, offset=(5, 2))
        assert grid.line
        assert grid.line.item
        assert grid.line.item["name"] == "web-2"
        await top.pilot.click(Grid, offset=(5, 3), times=2)
        await top.pilot.pause()
        assert isinstance(top.app.screen, DomainScreen)
        await top.press("escape")
        await top.pilot.click("#kinds", offset=(3, 0))
        await top.settle()
        assert top.rows() == ["alpha", "beta"]

    driven(does)


def test_hostile_names_steer_nothing() -> None:
    source = FakeSource()
    wide = "漢字" * 30
    source.domains = [
        domain(1, HOSTILE, "alpha", project=HOSTILE, cpu_cores=1.0),
        domain(2, wide, "alpha", cpu_cores=0.5),
    ]

    async def does(top: Driven) -> None:
        for keys in ((), ("t",), ("t",), ("t", "w"), ("home", "enter"), ("3",), ("4",)):
            await top.press(*keys)
            await top.settle()
            shown = top.text
            assert all(character.isprintable() for character in shown.replace("\n", ""))
            assert "evil\\x1b[31m" in shown
        await top.press("escape")
        lines = top.app.screen._compositor.render_strips(top.app.screen.size)
        assert {line.cell_length for line in lines} == {160}, "wide characters move nothing"

    driven(does, source)


def test_only_what_is_seen_is_drawn() -> None:
    source = FakeSource()
    source.domains = many(1000)

    async def does(top: Driven) -> None:
        grid = top.app.screen.query_one(Grid)
        assert len(grid._cells) <= 40
        await top.press("end")
        assert top.rows()[-1].startswith("vm-")
        assert len(grid._cells) <= 80
        assert grid.virtual_size.height == 1001

    driven(does, source)


def test_a_narrow_terminal() -> None:
    async def does(top: Driven) -> None:
        assert top.rows()[0] == "web-1"
        assert max(len(line) for line in top.text.splitlines()) <= 60
        await top.press("home", "enter")
        await top.settle()
        assert "CPU" in top.text

    driven(does, size=(60, 20))


def test_the_alerts() -> None:
    async def does(top: Driven) -> None:
        await top.press("a")
        await top.settle()
        assert "▲ 1 critical △ 2 warning ◇ 1 info" in top.text, "what is silenced, pending or not known counts not"
        assert top.rows()[:3] == ["host-down", "domain-crashed", "domain-down"], "the gravest first"
        assert "firing, silenced" in top.text
        assert "▲ host-down" in top.text
        assert "20.0 %" in top.text
        await top.press("slash")
        await top.type("severity:critical state:firing silenced:no")
        await top.press("enter")
        assert top.rows() == ["host-down"]
        assert "1 of 7" in top.text
        await top.press("escape", "t")
        assert "▾ alpha  4 alerts" in top.text
        assert "▾ (no host)  1 alert" in top.text

    driven(does)


def test_from_an_alert_to_what_it_speaks_of() -> None:
    async def does(top: Driven) -> None:
        async def find(search: str) -> None:
            await top.press("slash")
            await top.type(search)
            await top.press("enter", "home", "enter")
            await top.settle()

        await top.press("a")
        await find("domain-steal")
        assert isinstance(top.app.screen, DomainScreen)
        assert "△ domain-steal: web-1 20.0 % (steal>10)" in top.text
        await top.press("escape")
        await find("host-down")
        assert top.rows() == ["beta"]
        await top.press("escape")
        assert "host-down" in top.rows(), "back to the alerts"
        await find("agent-behind")
        assert "neither a host nor a domain" in top.told[-1]
        assert "\x1b" not in top.told[-1]

    driven(does)


@pytest.mark.parametrize(
    ("key", "marked", "others"),
    [("d", ["△ web-1", "△ web-2"], ["idle", "db-10"]), ("h", ["▲ beta"], ["alpha"]), ("n", ["△ web-2"], ["web-1"])],
)
def test_what_an_alert_fires_for_is_marked(key: str, marked: list[str], others: list[str]) -> None:
    async def does(top: Driven) -> None:
        await top.press(key)
        await top.settle()
        lines = [" ".join(line.split()) for line in top.text.splitlines()]
        for start in (*marked, *others):
            assert any(line.startswith(start) for line in lines), start

    driven(does)


def test_where_nobody_asks_rules() -> None:
    source = FakeSource()
    source.asks_rules = False

    async def does(top: Driven) -> None:
        assert "alert" not in top.text.splitlines()[0]
        await top.press("a")
        await top.settle()
        assert "a hypervisor that is asked directly has no alerts" in top.text

    driven(does, source)


def test_rules_that_cannot_be_asked_and_rules_that_find_nothing() -> None:
    source = FakeSource()
    source.rules_problem = "the disk is full"

    async def does(top: Driven) -> None:
        assert "✗ the rules cannot be asked at the moment: the disk is full" in top.text
        source.alarms, source.rules_problem = [], None
        await top.press("a")
        await top.settle()
        assert "no alerts there" in top.text
        assert "· no alerts" in top.text.splitlines()[0]

    driven(does, source)
