"""Whatever XML says, and however it is mutilated: facts come of it, or a problem of that one object."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.synthetic import batch, opened
from virtscope.agent import domain_xml, infrastructure_xml, nwfilter_xml
from virtscope.changes import changes
from virtscope.filter_tree import guard
from virtscope.sample import DomainFacts, Facts, FilterFacts, NicFacts

READERS: dict[str, Callable[[str], Facts]] = {
    "domain": lambda xml: domain_xml.facts("u", "n", "h", True, xml, xml),
    "filter": lambda xml: nwfilter_xml.filter_facts("u", "n", "h", xml),
    "binding": lambda xml: nwfilter_xml.binding_facts("vnet0", "h", xml),
    "network": lambda xml: infrastructure_xml.network_facts(
        "u", "n", "h", xml, active=True, autostart=False, leases=()
    ),
    "pool": lambda xml: infrastructure_xml.pool_facts("u", "n", "h", xml, active=True, autostart=False),
}
WORDS = st.sampled_from(
    ["", "0", "-1", "18446744073709551615", "9" * 40, "1.5", "kib", "..", "-rf", "<script>", "\u202e", "\x9b31m", "$IP"]
) | st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)
TAGS = st.sampled_from(
    [
        "domain",
        "devices",
        "disk",
        "interface",
        "target",
        "source",
        "driver",
        "backingStore",
        "iotune",
        "vcpu",
        "cputune",
        "vcpupin",
        "memory",
        "currentMemory",
        "numatune",
        "hostdev",
        "address",
        "metadata",
        "os",
        "type",
        "loader",
        "memballoon",
        "stats",
        "filterref",
        "parameter",
        "rule",
        "mac",
        "bandwidth",
        "inbound",
        "vlan",
        "tag",
        "virtualport",
        "parameters",
        "filter",
        "filterbinding",
        "owner",
        "uuid",
        "network",
        "forward",
        "bridge",
        "pool",
        "path",
    ]
)
NAMES = st.sampled_from(
    [
        "dev",
        "file",
        "type",
        "name",
        "value",
        "filter",
        "unit",
        "mode",
        "id",
        "cpuset",
        "vcpu",
        "bus",
        "slot",
        "function",
        "domain",
        "period",
        "current",
        "average",
        "chain",
        "priority",
        "action",
        "address",
        "nodeset",
        "interfaceid",
    ]
)


@st.composite
def elements(draw: st.DrawFn, depth: int = 4) -> str:
    tag = draw(TAGS)
    attributes = draw(st.dictionaries(NAMES, WORDS, max_size=3))
    written = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    inside = escape(draw(WORDS))
    if depth:
        inside += "".join(draw(st.lists(elements(depth - 1), max_size=4)))
    return f"<{tag}{written}>{inside}</{tag}>"


@st.composite
def mutilated(draw: st.DrawFn) -> str:
    """A document with a piece cut out, put in, or cut off."""
    whole = draw(elements())
    at = draw(st.integers(0, len(whole)))
    cut = draw(st.integers(0, 8))
    put = draw(st.sampled_from(["", "<", "&", "&a;", "\x00", "]]>", "<!--", "<!DOCTYPE d [", "\ud800", "'", "</"]))
    return whole[:at] + put + whole[at + cut :]


def roundtrip(facts: Facts) -> None:
    """What becomes of facts everywhere: the wire, comparison, the filters' trees."""
    assert msgspec.json.decode(msgspec.json.encode(facts), type=type(facts)) == facts
    assert changes(facts, facts) == []
    if isinstance(facts, FilterFacts):
        guard(NicFacts("aa", "vnet0", filter=facts.name), {facts.name: facts}, [])
    if isinstance(facts, DomainFacts):
        for nic in facts.nics:
            guard(nic, {}, [])


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(xml=elements() | mutilated())
def test_facts_or_a_problem(kind: str, xml: str) -> None:
    facts = READERS[kind](xml)
    try:
        xml.encode()
    except UnicodeEncodeError:
        assert facts.problem  # type: ignore[union-attr]
        return
    roundtrip(facts)


BOMB = '<!ENTITY l0 "lol">' + "".join(f'<!ENTITY l{n} "&l{n - 1};&l{n - 1};">' for n in range(1, 40))


@pytest.mark.parametrize(
    "xml",
    [
        f"<!DOCTYPE d [{BOMB}]><domain><title>&l39;</title></domain>",
        '<!DOCTYPE d [<!ENTITY f SYSTEM "file:///etc/passwd">]><domain><title>&f;</title></domain>',
        "<domain><title>&nowhere;</title></domain>",
        f"<domain><title>{'x' * 5_000_000}</title></domain>",
        "<domain>" * 100_000,
        "<a>" * 50_000 + "</a>" * 50_000,
        "<domain\x00/>",
        "\ud800",
        "<?xml version='1.0' encoding='utf-16'?><domain/>",
    ],
    ids=["bomb", "file", "unknown entity", "huge", "unclosed", "deep", "nul", "surrogate", "encoding"],
)
@pytest.mark.parametrize("kind", READERS)
def test_attacks_cost_only_the_one_object(kind: str, xml: str) -> None:
    facts = READERS[kind](xml)
    assert len(msgspec.json.encode(facts.problem)) < 1_000  # type: ignore[union-attr]


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(xml=elements())
def test_the_store_gives_back_what_it_was_given(xml: str) -> None:
    facts = DomainFacts("d", "n", "h", xml=xml, persistent_xml=f"{xml} ")
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder)) as made:
        made.store.append([batch(1, domains=(facts,))])
        assert made.records.known().facts == (facts,)
        assert [version.facts for version in made.records.history("domain", "d")] == [facts]
