"""Every kind of value: what it takes, what it refuses, and that what it shows reads as the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtscope.settings.agent import AGENT
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import (
    Address,
    Choice,
    Duration,
    Kind,
    Listed,
    Listening,
    Place,
    SecretFile,
    Size,
    Switch,
    Text,
    Url,
    Whole,
)
from virtscope.settings.server import SERVER, UP

ALL = [setting for program in (AGENT, SERVER, UP) for setting in program.settings]


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (Text(), "  web ", "web"),
        (Whole(0, 9), "7", 7),
        (Whole(-9, 9), -7, -7),
        (Switch(), "Yes", True),
        (Switch(), "off", False),
        (Switch(), True, True),
        (Duration(0, 1e6), 10, 10.0),
        (Duration(0, 1e6), "1.5", 1.5),
        (Duration(0, 1e6), "500ms", 0.5),
        (Duration(0, 1e6), "15m", 900.0),
        (Duration(0, 1e6), "2 h", 7200.0),
        (Duration(0, 1e6), "7d", 604_800.0),
        (Size(0, 1 << 50), "512M", 512 << 20),
        (Size(0, 1 << 50), "2GiB", 2 << 30),
        (Size(0, 1 << 50), 1000, 1000),
        (Listening(), "", None),
        (Listening(), ":9177", Address("", 9177)),
        (Listening(anywhere="127.0.0.1"), ":8420", Address("127.0.0.1", 8420)),
        (Listening(), "[::1]:0", Address("::1", 0)),
        (Listening(), "kvm1.example.org:9177", Address("kvm1.example.org", 9177)),
        (Url(), "", ""),
        (Url(), "https://server.example.org:8421/", "https://server.example.org:8421"),
        (Url(), "http://[::1]:8421", "http://[::1]:8421"),
        (Listed(Text()), "a b", ("a", "b")),
        (Listed(Whole(0, 9)), [1, 2], (1, 2)),
        (Place(), "/etc/x", Path("/etc/x")),
        (SecretFile(), "/etc/x", Path("/etc/x")),
    ],
)
def test_what_is_read(kind: Kind[Any], raw: object, value: object) -> None:
    assert kind.read(raw) == value
    assert kind.read(kind.show(value)) == value


@pytest.mark.parametrize(
    ("kind", "raw", "words"),
    [
        (Text(), 7, "quotes"),
        (Text(), "a\x1b[31m", "cannot be printed"),
        (Whole(1, 9), 0, "less than 1"),
        (Whole(1, 9), "10", "more than 9"),
        (Whole(1, 9), True, "no whole number"),
        (Whole(1, 9), 1.0, "no whole number"),
        (Whole(1, 9), "9" * 5000, "no whole number"),
        (Switch(), 1, "neither true nor false"),
        (Duration(1, 9), "nan", "no time span"),
        (Duration(1, 9), float("inf"), "no time span"),
        (Duration(1, 9), True, "no time span"),
        (Duration(1, 60), "2m", "more than 1m"),
        (Duration(0.2, 60), "100ms", "less than 0.2s"),
        (Size(1, 1 << 20), "2M", "more than 1M"),
        (Size(1, 9), "-1", "no size"),
        (Size(1, 9), 1.5, "no size"),
        (Listening(), "8420", "nothing to listen on"),
        (Listening(), "::1:8420", "nothing to listen on"),
        (Listening(), "a:65536", "nothing to listen on"),
        (Listening(), "a b:1", "nothing to listen on"),
        (Url(), "http://server.example.org", "does not begin with https://"),
        (Url(), "https://server/?token=1", "no address"),
        (Url(), "https:///x", "no address"),
        (Url(), "https://h:99999", "ort"),
        (Choice(("a", "b")), "c", "one of a, b"),
        (Place(), "", "empty"),
        (Place(), "~/x", "whole path"),
        (Listed(Text()), 7, "no list"),
        (Listed(Whole(1, 9)), [1, 99], "has 99, which is more than 9"),
    ],
)
def test_what_is_refused(kind: Kind[Any], raw: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        kind.read(raw)


@given(st.data())
def test_what_is_shown_reads_as_the_same(data: st.DataObject) -> None:
    setting: Setting[Any] = data.draw(st.sampled_from(ALL))
    words = st.text(st.characters(categories=["L", "N", "P"]), max_size=12)
    numbers = st.integers(-10, 10**13) | st.floats()
    raw = data.draw(words | numbers | st.booleans() | st.lists(words, max_size=3) | st.just("/x") | st.none())
    try:
        value = setting.read(raw)
    except ValueError:
        return
    assert setting.read(setting.show(value)) == value or (
        isinstance(raw, list) and any(not text.strip() for text in raw)
    )


@given(st.floats(0, 1e7))
def test_a_time_span_is_shown_as_it_is_read(seconds: float) -> None:
    kind = Duration(0, 1e7)
    value = kind.read(seconds)
    assert value == pytest.approx(seconds, abs=1e-6)
    assert kind.read(kind.show(value)) == value


@pytest.mark.parametrize("setting", ALL, ids=lambda setting: setting.name)
def test_every_default_is_a_value(setting: Setting[Any]) -> None:
    assert setting.read(setting.show(setting.default)) == setting.default
    assert setting.help.endswith(".")
    assert setting.name == setting.name.lower()
