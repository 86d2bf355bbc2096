"""The search language: what it finds, and what it says where it cannot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtscope.errors import BadInput
from virtscope.search import fields_of, matching, owned, parse
from virtscope.search.matching import ordered, sorting


def domain(name: str, host: str = "a", state: str = "running", project: str | None = None, **figures: Any) -> Any:
    facts = {"project": project, "passthrough": ["pci 0000:01:00.0"], "hugepages": False}
    shown = {"id": f"id-{name}", "title": None, "host": "h", "state_reason": None, "stale": False, "timed_out": False}
    return {"name": name, "host_name": host, "state": state, "facts": facts, "figures": figures, **shown}


FLEET = [
    domain("web-1", "a", project="web", cpu_ratio=0.9, memory_current=2**32, disk_write_latency=0.004),
    domain("web-2", "b", "shut off", project="web", cpu_ratio=None),
    domain("db [x]", "a", project="Data", cpu_ratio=0.2, memory_current=2**33, disk_write_latency=0.02, vcpus=4),
    domain("not", "b", "paused", cpu_ratio=0.8, net_receive_errors=2.0),
]


def found(search: str) -> list[str]:
    test = matching(parse(search), fields_of("domains"))
    return [item["name"] for item in FLEET if test(item)]


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("", ["web-1", "web-2", "db [x]", "not"]),
        ("web", ["web-1", "web-2"]),
        ("WEB state:running", ["web-1"]),
        ("host:a project:web cpu>80 state:running web", ["web-1"]),
        ("cpu>=80", ["web-1", "not"]),
        ("cpu:20..80", ["db [x]", "not"]),
        ("cpu<50", ["db [x]"]),
        ("cpu:unknown", ["web-2"]),
        ("-cpu:unknown cpu!=90%", ["db [x]", "not"]),
        ("memory>4G", ["db [x]"]),
        ("memory>=4GiB", ["web-1", "db [x]"]),
        ("memory=8192m", ["db [x]"]),
        ("disk_write_latency>5ms", ["db [x]"]),
        ("vcpus:4", ["db [x]"]),
        ("errors>1", ["not"]),
        ("state:running,paused host:b", ["not"]),
        ('state:"shut off"', ["web-2"]),
        ("state='shut off'", ["web-2"]),
        ("state!=running", ["web-2", "not"]),
        ("not state:running", ["web-2", "not"]),
        ("project=data", ["db [x]"]),
        ("name:web-?", ["web-1", "web-2"]),
        ("name:*[x]", ["db [x]"]),
        ("project:unknown", ["not"]),
        ("host:b or cpu>80", ["web-1", "web-2", "not"]),
        ("(host:b or cpu>80) -state:paused", ["web-1", "web-2"]),
        ("not (host:a or state:paused)", ["web-2"]),
        ("'not'", ["not"]),
        ("passthrough:0000:01 web-1", ["web-1"]),
        ("state:running and host:a", ["web-1", "db [x]"]),
        ("--web-1", ["web-1"]),
    ],
)
def test_what_is_found(search: str, names: list[str]) -> None:
    assert found(search) == names


@pytest.mark.parametrize(
    ("search", "message", "hint"),
    [
        ("cpuu>80", "nothing is called 'cpuu'", "Did you mean cpu"),
        ("web cpu>a", "'a' is no number for 'cpu'", "80 (per cent)"),
        ("memory>4X", "'4X' is no number", "512M, 4G"),
        ("state>running", "'state' is a text", "state:running (a part of it)"),
        ("state:", "state: lacks a value", "state:unknown"),
        ("state:running,", "lacks a value", ""),
        ("project=web,state=running", "separated by spaces", "project=web state=running"),
        ("(host:a", "'(' is not closed", "Add a ')'"),
        ("host:a)", "closes nothing", ""),
        ("host:a or", "'or' lacks a side", ""),
        ("not", "stands before nothing", ""),
        ('name:"a', "a quote is not closed", ""),
        ("(" * 60 + "a" + ")" * 60, "too many parentheses", ""),
        ("x" * 3000, "2000 characters", ""),
    ],
)
def test_what_is_said(search: str, message: str, hint: str) -> None:
    with pytest.raises(BadInput) as told:
        found(search)
    assert message in str(told.value)
    assert hint in told.value.hint


def test_the_place_is_shown() -> None:
    with pytest.raises(BadInput) as told:
        found("host:a cpuu>80")
    text, place, _ = told.value.hint.split("\n")
    assert text[place.index("^") : place.rindex("^") + 1] == "cpuu"


@given(st.text(alphabet="ab-:=!<>()\"'., *?or not", max_size=40))
def test_any_text_is_a_search_or_a_sentence(search: str) -> None:
    try:
        test = matching(parse(search), fields_of("domains"))
    except BadInput:
        return
    assert {test(item) for item in FLEET} <= {True, False}


def test_a_device_is_searched_by_its_domain_too() -> None:
    disk = {"domain": "id-web-1", "domain_name": "web-1", "host_name": "a", "target": "vda", "figures": {"read": 1e7}}
    test = matching(parse("project:web read>1M state:running vda"), fields_of("disks"))
    assert test(owned([disk], FLEET)[0])
    assert not test(owned([disk], [])[0])


def test_every_condition_is_known() -> None:
    query = parse("a (cpu>1 or not host:b) -state:x")
    assert sorted(condition.field for condition in query.conditions()) == ["cpu", "host", "state"]
    assert not query.is_empty
    assert parse("  ").is_empty


@pytest.mark.parametrize(
    "kind", ["hosts", "domains", "disks", "nics", "filters", "networks", "pools", "events", "alerts"]
)
def test_every_field_answers_of_an_item_that_knows_nothing(kind: str) -> None:
    for field in fields_of(kind).values():
        assert field.value({"figures": {}}) is None, field.name
        assert field.help.endswith((".", "…")), field.name


def test_an_order_that_people_expect() -> None:
    items = [{"v": "web-10"}, {"v": None}, {"v": "web-2"}, {"v": "Web-1"}]
    assert [i["v"] for i in ordered(items, lambda i: i["v"], descending=False)] == ["Web-1", "web-2", "web-10", None]
    assert [i["v"] for i in ordered(items, lambda i: i["v"], descending=True)] == ["web-10", "web-2", "Web-1", None]
    assert sorting("-cpu", fields_of("domains"))[0].name == "cpu_ratio"
    with pytest.raises(BadInput, match="cannot sort by 'nothing'"):
        sorting("nothing", fields_of("domains"))
