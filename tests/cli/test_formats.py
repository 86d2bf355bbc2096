"""What is written for machines: exact, and harmless on a terminal."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from tests.top.fleet import HOSTILE
from virtscope.cli import jsonpath, output
from virtscope.cli.columns import Column
from virtscope.cli.formats import Format, form
from virtscope.errors import BadInput

COLUMNS = (Column("NAME", lambda item: item["name"]), Column("SIZE", lambda item: item["size"], str))
ITEMS = [{"name": "a", "size": 1, "parts": [{"n": "x"}, {"n": "y"}]}, {"name": "b", "size": None, "parts": []}]


def written(items: Any, way: Format) -> str:
    stream = io.StringIO()
    output.write(Console(file=stream, width=400), items, COLUMNS, way)
    return stream.getvalue()


@given(st.text())
def test_json_is_ascii_and_means_the_same(name: str) -> None:
    made = written([{"name": name, "size": 1}], Format.JSON)
    assert json.loads(made)[0]["name"] == name
    assert all(character == "\n" or " " <= character <= "~" for character in made)


@pytest.mark.parametrize("way", ["table", "wide", "json", "yaml", "csv", "name", "jsonpath={[*].name}"])
def test_hostile_names_steer_no_format(way: str) -> None:
    made = written([{"name": HOSTILE, "size": 1}], form(way))
    assert all(character == "\n" or character.isprintable() for character in made)
    if way in ("json", "yaml"):
        assert yaml.safe_load(made)[0]["name"] == HOSTILE


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{[*].name}", "a b\n"),
        ("{[0].name} has {[0].parts[*].n}", "a has x y\n"),
        ("{[-1]['name']}", "b\n"),
        ('{range [*]}{.name}:{range .parts[*]}<{.n}>{end}{"\\n"}{end}', "a:<x><y>\nb:\n"),
        ("{.items[*].size}", "1 \n"),
        ("{[0].parts}", '[{"n": "x"}, {"n": "y"}]\n'),
        ("{[7].name}{[0].nothing.more}", "\n"),
        ("{$[0].name}", "a\n"),
    ],
)
def test_jsonpath(template: str, expected: str) -> None:
    assert jsonpath.written(template, ITEMS) == expected


@pytest.mark.parametrize("template", ["{.name", "{range [*]}{.name}", "{[*.name}", "{name}", '{"a}', "}"])
def test_a_template_that_makes_no_sense(template: str) -> None:
    with pytest.raises(BadInput, match="jsonpath") as told:
        jsonpath.written(template, ITEMS)
    assert "Examples" in told.value.hint


def test_formats_are_named() -> None:
    assert form("json") is Format.JSON
    assert str(form("jsonpath={.a}")) == "jsonpath={.a}"
    with pytest.raises(BadInput, match="'xml' is no output format"):
        form("xml")
