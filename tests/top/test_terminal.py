"""``virtscope top`` in a real terminal, from libvirt's test driver and from a server."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.running import PATIENCE, Running
from tests.top.terminal import terminal

TEST = ("--connect", "test:///default", "--interval", "0.5")


def virtscope(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "virtscope", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def test_a_hypervisor_in_a_terminal() -> None:
    with terminal("top", *TEST) as seen:
        assert "1 of 1 hosts up · 1 of 1 domains running" in seen.until("running")
        seen.type("\r")
        seen.until("as seen here")
        seen.type("4")
        assert "6695eb01-f6a4-8304-79aa-97f2502e193f" in seen.until("<domain type='test'")
        seen.type("\x1b")
        seen.until("h:Hosts")
        seen.type("/")
        seen.until("host:a project:web")
        seen.type("nobody\r")
        seen.until("nothing matches 'nobody'")
        seen.type("q")
        assert seen.status() == 0
        assert b"\x1b[?1049l" in seen.written, "the screen of before comes back"


def test_a_server_in_a_terminal(server: Running) -> None:
    with terminal("top", "hosts", "--server", server.address, "-i", "0.5") as seen:
        shown = seen.until("1 of 2 hosts up")
        assert "is down: cannot connect" in shown or "is down" in seen.until("is down")
        seen.type("d")
        seen.until("running")
        seen.type("\r")
        seen.until("as seen here")
        seen.type("]")
        seen.until("from the server")
        seen.type("3")
        seen.until("Events")
        seen.type("\x1b")
        seen.until("a:Alerts")
        seen.type("a")
        seen.until("host-down")  # of the host that is not there; the rules are asked every ten seconds
        seen.type("q")
        assert seen.status() == 0


def test_no_colour_where_none_is_wanted() -> None:
    with terminal("top", *TEST, NO_COLOR="1") as seen:
        seen.until("running")
        colours = {cell.fg for line in seen.screen.buffer.values() for cell in line.values()} - {"default"}
        # What is left are greys: the same part of red, green and blue.
        assert all(len({colour[0:2], colour[2:4], colour[4:6]}) == 1 for colour in colours), colours
        seen.type("q")
        assert seen.status() == 0


def test_batch_writes_tables_and_a_file(tmp_path: Path) -> None:
    file = tmp_path / "figures.csv"
    answer = virtscope("top", *TEST, "-b", "-n", "2", "--csv", str(file))
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.count("1 of 1 hosts up") == 2
    assert "\x1b" not in answer.stdout
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [row["name"] for row in rows] == ["test", "test"]
    assert float(rows[0]["time"]) < float(rows[1]["time"])


def test_a_stream_of_json() -> None:
    answer = virtscope("top", "hosts", *TEST, "--stream", "-n", "2")
    rounds = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [[host["uri"] for host in one["hosts"]] for one in rounds] == [["test:///default"]] * 2
    assert all(one["problem"] is None for one in rounds)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("-l", "cpuu>1"), 2, "nothing is called 'cpuu'"),
        (("--sort-by", "nothing"), 2, "cannot sort by 'nothing'"),
        (("-o", "yaml"), 2, "cannot be written as yaml"),
        (("--csv", "/nonexistent/file"), 2, "cannot write /nonexistent/file"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: tuple[str, ...], status: int, words: str) -> None:
    answer = virtscope("top", *TEST, "-n", "1", *arguments)
    assert answer.returncode == status
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
