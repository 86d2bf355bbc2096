"""What is new of what exists."""

from __future__ import annotations

from dataclasses import replace

from virtscope.agent import domain_xml
from virtscope.agent.inventory import Inventory
from virtscope.sample import FilterFacts, Gone, PoolFacts, Whole

XML = """<domain><name>web</name><memory unit='KiB'>2048</memory><currentMemory unit='KiB'>{}</currentMemory>
<title>{}</title></domain>"""


def running(memory: int, title: str = "") -> str:
    return XML.format(memory, title)


def test_a_moving_balloon_is_no_change_of_the_configuration() -> None:
    inventory = Inventory("h")

    def told(live: str, persistent: str | None) -> list[str]:
        facts = domain_xml.facts("d", "web", "h", True, live, persistent)
        return [event.detail for event in inventory.update_domains([facts], {"d"}).events]

    assert told(running(2048), running(2048)) == []
    assert told(running(1024), running(2048)) == []
    assert inventory.domains["d"].resources.memory_bytes == 2048 * 1024
    assert told(running(512, "Shop"), running(2048)) == ["title: none → Shop; memory bytes: 2097152 → 524288"]
    assert told(running(512, "Shop"), running(1024)) == ["other parts of the XML"]
    assert told(running(1024, "Shop"), None) == ["memory bytes: 524288 → 1048576"]


def test_what_is_not_listed_any_more_is_gone() -> None:
    inventory = Inventory("h")
    one, two = FilterFacts("1", "one", "h"), FilterFacts("2", "two", "h")
    assert inventory.update_others({FilterFacts: [one, two]}).others == (one, two)
    assert inventory.update_others({FilterFacts: [one, two]}).others == ()
    news = inventory.update_others({FilterFacts: [replace(one, priority=5)]})
    assert news.gone == (Gone("h", "filter", "2"),)
    assert [event.detail for event in news.events] == ["one: priority: none → 5"]
    assert inventory.update_others({}).gone == ()


def test_the_first_look_at_a_kind_tells_all_there_is() -> None:
    inventory = Inventory("h")
    assert inventory.update_others({FilterFacts: [], PoolFacts: []}).whole == (Whole("h", "filter"), Whole("h", "pool"))
    assert inventory.update_others({FilterFacts: [FilterFacts("1", "one", "h")]}).whole == ()
