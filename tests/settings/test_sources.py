"""Files of settings: each key with its line, and what cannot be read told in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtscope.errors import BadInput
from virtscope.settings import sources
from virtscope.settings.agent import AGENT
from virtscope.settings.folders import state_folder

TRICKY = '''# interval = 1
connect = [
  "qemu:///system",  # interval = 2
  """
interval = 3
  """,
]
template = """
interval = 4
"""
"interval" = 5
  'log-level'="info"
[server]
interval = 6
[[agents]]
name = "a"
'''


def test_each_key_has_its_line() -> None:
    read = sources.parse(TRICKY, "agent.toml")
    assert {name: written.place for name, written in read.items()} == {
        "connect": "agent.toml:2",
        "template": "agent.toml:8",
        "interval": "agent.toml:11",
        "log-level": "agent.toml:12",
        "server": "agent.toml:13",
        "agents": "agent.toml:15",
    }
    assert read["interval"].value == 5


VALUES = st.integers() | st.booleans() | st.text(st.characters(codec="ascii", exclude_characters="\x7f"), max_size=8)


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b-c", "d"]), VALUES | st.lists(VALUES, max_size=3), st.integers(0, 3)),
        unique_by=lambda entry: entry[0],
    )
)
def test_the_line_is_where_it_was_written(entries: list[tuple[str, object, int]]) -> None:
    lines: list[str] = []
    expected = {}
    for name, value, blank in entries:
        lines += ["# a = 1"] * blank
        expected[name] = f"f:{len(lines) + 1}"
        lines += f"{name} = {json.dumps(value, indent=1 if isinstance(value, list) else None)}".split("\n")
    read = sources.parse("\n".join(lines), "f")
    assert {name: written.place for name, written in read.items()} == expected
    assert {name: written.value for name, written in read.items()} == {name: value for name, value, _ in entries}


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing, broken, binary, large = (tmp_path / name for name in ("missing", "broken", "binary", "large"))
    broken.write_text("interval = 5\nconnect = qemu:///system\n")
    binary.write_bytes(b"interval = \xff")
    large.write_text("#" * (sources.MOST_BYTES + 1))
    for path, words in (
        (missing, "No such file"),
        (broken, "line 2"),
        (binary, "not UTF-8"),
        (large, "larger"),
        (tmp_path, "directory"),
    ):
        with pytest.raises(BadInput, match=words) as caught:
            sources.read(AGENT, path)
        assert str(path) in str(caught.value)
        assert caught.value.hint


def test_where_state_lies() -> None:
    usual = Path("/var/lib/virtscope-agent")
    user = {"HOME": "/home/ada"}
    assert state_folder(usual, {"HOME": "/root"}, root=True) == usual
    assert state_folder(usual, {**user, "STATE_DIRECTORY": "/srv/state:/other"}, root=False) == Path("/srv/state")
    assert state_folder(usual, user, root=False) == Path("/home/ada/.local/state/virtscope-agent")
    assert state_folder(usual, {**user, "XDG_STATE_HOME": "/x"}, root=False) == Path("/x/virtscope-agent")
    assert state_folder(usual, {**user, "XDG_STATE_HOME": "relative"}, root=False) == Path(
        "/home/ada/.local/state/virtscope-agent"
    )
