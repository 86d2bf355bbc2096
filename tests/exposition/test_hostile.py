"""Names that guests and tenants choose: the text stays readable for Prometheus, and no series is there twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.exposition.small_fleet import NOW, batch, shown, up
from tests.exposition.witness import parsed
from tests.synthetic import row
from virtscope.catalogue import Scope
from virtscope.exposition.board import Board
from virtscope.exposition.labels import LONGEST, labels, visible
from virtscope.exposition.names import Dialect
from virtscope.exposition.text_format import Format, text
from virtscope.sample import DiskFacts, DomainFacts, HostFacts, NicFacts, Nova, PoolFacts, Sample

HOSTILE = [
    "", "..", "-rf", "a\tb", 'a"b', "a\\b", "a\\", "a\nb", "a\\nb", "x\u202ey", "x\x9by", "\x85", "\x00", "\ud800",
    "\udfff\ud800", "{", "}", ",", "=", "# EOF", "\u2028", "n" * 300, "n" * 299 + "m", "\u202e" * 300,
    "<img onerror=x>", "a b", " ", "🦊",
]  # fmt: skip
names = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=()), max_size=5))


@st.composite
def boards(draw: st.DrawFn) -> Board:
    """Hosts whose every name is hostile, and often the same."""
    board = Board()
    for host in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        domains = draw(st.lists(names, max_size=3, unique=True))
        disks = {domain: draw(st.lists(names, max_size=2, unique=True)) for domain in domains}
        nics = {domain: draw(st.lists(st.tuples(names, names), max_size=3, unique=True)) for domain in domains}
        pools = draw(st.lists(names, max_size=2, unique=True))
        volumes = {pool: draw(st.lists(names, max_size=3, unique=True)) for pool in pools}
        rows = {
            Scope.HOST: [row(Scope.HOST, (), cpus=1, collect_time=1, kernel_time=1)],
            Scope.DOMAIN: [row(Scope.DOMAIN, (domain,), state=draw(st.integers(-1, 9))) for domain in domains],
            Scope.DISK: [row(Scope.DISK, (d, disk), capacity=1) for d in domains for disk in disks[d]],
            Scope.NIC: [row(Scope.NIC, (d, *nic), receive_bytes=1) for d in domains for nic in nics[d]],
            Scope.FILESYSTEM: [row(Scope.FILESYSTEM, (d, draw(names)), size=1) for d in domains],
            Scope.POOL: [row(Scope.POOL, (pool,), state=1) for pool in pools],
            Scope.VOLUME: [row(Scope.VOLUME, (pool, name), capacity=1) for pool in pools for name in volumes[pool]],
        }
        facts = tuple(
            DomainFacts(
                domain,
                draw(names),
                host,
                os_type=draw(names),
                nova=Nova(*draw(st.tuples(*[names] * 8))),
                disks=tuple(
                    DiskFacts(disk, source=draw(names), limits={"total_iops_sec": 1}) for disk in disks[domain]
                ),
                nics=tuple(NicFacts(*nic, type="bridge", source=draw(names)) for nic in nics[domain]),
            )
            for domain in domains
        )
        board.put(
            batch(
                Sample(host, NOW, rows),
                hosts=(HostFacts(host, draw(names), "", hypervisor=draw(names)),),
                domains=facts,
                others=tuple(PoolFacts(pool, draw(names), host) for pool in pools),
                links=(up(host, host),),
            )
        )
    return board


def read(made: str, form: Format) -> Iterator[tuple[str, tuple[tuple[str, str], ...]]]:
    """Every series as Prometheus' own parsers see it: a label without a value is no label."""
    for family in parsed(made, form):
        for sample in family.samples:
            yield sample.name, tuple(sorted((name, value) for name, value in sample.labels.items() if value))


@settings(max_examples=150, deadline=None)
@given(boards(), st.sampled_from(Dialect))
def test_no_series_is_there_twice(board: Board, dialect: Dialect) -> None:
    families = shown(board, dialect).families
    assert len({family.name for family in families}) == len(families)
    for form in Format:
        made = text(families, form).decode("utf-8")
        found = list(read(made, form))
        assert len(found) == sum(len(family.series) for family in families)
        assert len(set(found)) == len(found)
        for _, labelled in found:
            for _, value in labelled:
                assert value.isprintable()
                assert len(value) <= LONGEST


@pytest.mark.parametrize(
    ("text_", "seen"),
    [
        ("web", "web"),
        ("C:\\data", "C:\\data"),
        ("a\tb\n", "a\\tb\\n"),
        ("x\u202ey", "x\\u202ey"),
        ("\x9b", "\\x9b"),
        ("\ud800", "\\ud800"),
        ("\xa0", "\\xa0"),
        ("grün 🦊", "grün 🦊"),
    ],
)
def test_what_does_not_print_is_shown(text_: str, seen: str) -> None:
    assert visible(text_) == seen


def test_long_names_are_cut_and_stay_different() -> None:
    one, other = visible("n" * 300), visible("n" * 299 + "m")
    assert len(one) == len(other) == LONGEST
    assert one != other
    assert visible("n" * LONGEST) == "n" * LONGEST


def test_quotes_and_backslashes_do_not_end_a_label() -> None:
    assert labels(domain='a"b\\', n=None, vcpu=0) == 'domain="a\\"b\\\\",n="",vcpu="0"'
