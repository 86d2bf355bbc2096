"""Every command: its help, its examples, its formats; searching, sorting, completion; the keys of its JSON."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.reference import _commands
from tests.running import PATIENCE, Running
from virtscope.cli import commands, domain_stats, output
from virtscope.cli.commands import ENTRIES, loaded
from virtscope.cli.formats import Format
from virtscope.errors import BadInput, VirtscopeError

RECORDED = Path(__file__).parent / "recorded_keys.json"
ALL = [command for command in _commands() if command]
"""Every command and group, as it is called."""
RUNS_ON = {"up", "agent", "server", "simulate", "top", "backup", "restore", "store check"}
CHANGES = re.compile(
    r"add|set|remove|passwd|create|revoke|withdraw|rename|enrol|login|logout|use|apply|end|retry|receivers"
)


def made(name: str) -> Any:
    """The command of a name, as ``list domains``."""
    first, *rest = name.split()
    command = loaded(ENTRIES[first])
    for part in rest:
        command = command.commands[part]
    return command


def examples(name: str) -> list[str]:
    """The examples in a command's help."""
    lines = (made(name).help or "").splitlines()
    found = [line.partition("Example:")[2].strip() for line in lines if line.strip().startswith("Example:")]
    return found + [line.strip() for line in lines if line.strip().startswith("virtscope ")]


def is_group(name: str) -> bool:
    return hasattr(made(name), "commands")


def run(capsys: pytest.CaptureFixture[str], line: str) -> str:
    """What a command writes, in this process."""
    commands.app(shlex.split(line)[1:], standalone_mode=False, prog_name="virtscope")
    return capsys.readouterr().out


@pytest.fixture
def asked(server: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Running]:
    """A server that every command asks, and a user's own configuration."""
    monkeypatch.setenv("VIRTSCOPE_SERVER", server.address)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    yield server
    os.environ.pop("VIRTSCOPE_CONTEXT", None)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=lambda entry: entry.name)
def test_the_help_of_all_says_what_each_says(entry: commands.Entry) -> None:
    said = " ".join((loaded(entry).help or "").split("\n\n")[0].split())
    assert entry.help == said


@pytest.mark.parametrize("name", [name for name in ALL if not is_group(name)])
def test_every_command_has_an_example_that_makes_sense(name: str) -> None:
    assert examples(name), f"'virtscope {name}' has no example"
    for example in examples(name):
        words = shlex.split(
            example.partition(" < ")[0].replace("/backup/virtscope.tar", "/etc/hosts")
        )  # one that exists
        called = name.removeprefix("list ") if name == "list events" else name  # by its shorter name
        assert words[1 : 1 + len(called.split())] == called.split()
        with made(name).make_context(name, words[1 + len(called.split()) :]):
            pass


READ = [
    example
    for name in ALL
    if not is_group(name)
    and name not in (*RUNS_ON, "dump-xml", "analyze", "report", "findings dismiss", "findings restore")
    and not CHANGES.search(name)
    for example in examples(name)
]


@pytest.mark.parametrize("example", READ)
def test_the_examples_run(example: str, asked: Running, capsys: pytest.CaptureFixture[str]) -> None:
    host = next(host["name"] for host in asked.get("/api/v1/hosts")["hosts"] if host["state"] == "up")
    line = example.replace("web-1", "test").replace("alpha", host).replace("qemu:///system", "test:///default")
    if "filters show" in line:
        pytest.skip("libvirt's test driver has no network filters")
    if "--diff" in line or line.split()[1] in ("agents", "token", "api-tokens", "backtest"):
        # The domain has never changed and has no past, no agents are taken, and nobody signs in: that is said.
        with pytest.raises(VirtscopeError) as told:
            run(capsys, line)
        assert told.value.hint
    else:
        assert run(capsys, line)


def test_a_search_an_order_and_no_headers(asked: Running, capsys: pytest.CaptureFixture[str]) -> None:
    names = run(capsys, "virtscope list hosts --sort-by state -o name").splitlines()
    assert run(capsys, "virtscope list hosts --sort-by -state -o name").splitlines() == names[::-1]
    assert run(capsys, "virtscope list hosts -l state:up -o name").splitlines() == names[1:]
    assert json.loads(run(capsys, "virtscope list domains -l state:paused -o json")) == []
    assert "owner" not in json.loads(run(capsys, "virtscope list disks -l state:running -o json"))[0]
    assert run(capsys, "virtscope list disks -l state:paused -o name") == ""
    with_titles = run(capsys, "virtscope list domains -o csv").splitlines()
    assert run(capsys, "virtscope list domains -o csv --no-headers").splitlines() == with_titles[1:]
    assert "NAME" in run(capsys, "virtscope list domains")
    assert run(capsys, "virtscope list domains --no-headers").split()[:2] == ["test", "running"]
    for wrong in ("-l nothing:x", "--sort-by nothing", "-o nothing", "-o jsonpath="):
        with pytest.raises(BadInput) as told:
            run(capsys, f"virtscope list domains {wrong}")
        assert told.value.hint


def test_parts_by_jsonpath(asked: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "virtscope list domains -o jsonpath='{[*].name}'") == "test\n"
    line = """virtscope list domains -o jsonpath='{range .items[*]}{.name}={.state}{"\\n"}{end}'"""
    assert run(capsys, line) == "test=running\n"
    assert run(capsys, "virtscope show domain test -o jsonpath='{.disks[0].target}'") == "vda\n"


def test_bytes_are_whole_as_virsh_has_them(capsys: pytest.CaptureFixture[str]) -> None:
    stats = {"balloon.memory_current": 4194304.0, "cpu.cpu_cores": 0.25, "vcpu.count": 2}
    items = [{"domain": "web", "id": "d", "host": "h", "stats": stats}]
    domain_stats.write(output.console(Format.TABLE), items, Format.TABLE)
    assert capsys.readouterr().out.splitlines()[1:4] == [
        "  balloon.memory_current=4194304",
        "  cpu.cpu_cores=0.25",
        "  vcpu.count=2",
    ]


def test_a_report_is_written_where_it_is_wanted(
    asked: Running, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    run(capsys, f"virtscope report -o {tmp_path / 'a.html'} -a idle")
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")
    for wrong in ("-a idle", f"{tmp_path / 'b.html'} -o {tmp_path / 'c.html'} -a idle"):
        with pytest.raises(BadInput, match="one file"):
            run(capsys, f"virtscope report {wrong}")


def test_events_and_stats(asked: Running, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(run(capsys, "virtscope events -o json"))
    assert told == json.loads(run(capsys, "virtscope list events -o json"))
    assert run(capsys, "virtscope stats --state test") == "Domain: 'test'\n  state.state=running\n\n"
    stats = json.loads(run(capsys, "virtscope stats --block -o json"))
    assert stats[0]["stats"]["block.0.target"] == "vda"
    rows = list(csv.reader(io.StringIO(run(capsys, "virtscope stats --block -o csv"))))
    assert ["test", "block.count", "1"] in rows
    assert run(capsys, "virtscope stats -l state:paused") == ""


def test_yaml_is_the_same(asked: Running, capsys: pytest.CaptureFixture[str]) -> None:
    as_json = json.loads(run(capsys, "virtscope show domain test -o json"))
    as_yaml = yaml.safe_load(run(capsys, "virtscope show domain test -o yaml"))
    assert as_json.keys() == as_yaml.keys()


def keys(answer: Any, at: str = "") -> Iterator[str]:
    """The path of everything in an answer; lists by what their first item has."""
    if isinstance(answer, dict):
        for name, value in answer.items():
            yield f"{at}.{name}"
            yield from keys(value, f"{at}.{name}")
    elif isinstance(answer, list) and answer:
        yield from keys(answer[0], f"{at}[]")


KEYED = {
    "list hosts": "-l state:up",
    "list domains": "",
    "list disks": "",
    "list nics": "",
    "list networks": "",
    "list pools": "",
    "events": "--kind up",
    "show domain": "test",
    "stats": "",
    "doctor": "-c test:///default",
}


@pytest.mark.parametrize("name", KEYED)
def test_the_keys_of_json_are_those_recorded(name: str, asked: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Programs rely on them: a key may come, and none may go. RECORD=1 writes those that are new."""
    found = sorted(set(keys(json.loads(run(capsys, f"virtscope {name} {KEYED[name]} -o json")))))
    recorded: dict[str, list[str]] = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    if os.environ.get("RECORD"):
        recorded[name] = sorted({*recorded.get(name, ()), *found})
        RECORDED.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
    assert set(recorded[name]) == set(found)


def test_shells_complete_commands_and_names(server: Running, tmp_path: Path) -> None:
    def complete(*words: str) -> list[str]:
        environment = {
            **os.environ,
            "_VIRTSCOPE_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(("virtscope", *words)),
            "COMP_CWORD": str(len(words)),
            "VIRTSCOPE_SERVER": server.address,
            "XDG_CONFIG_HOME": str(tmp_path),
        }
        command = [sys.executable, "-m", "virtscope"]
        answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert "Traceback" not in answer.stderr
        return answer.stdout.split()

    assert complete("li") == ["list"]
    assert "domains" in complete("list", "d")
    assert complete("xml", "te") == ["test"]
    assert "--sort-by" in complete("list", "domains", "--so")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "_VIRTSCOPE_COMPLETE" in run(capsys, f"virtscope completion {shell}")


def test_watching_goes_on_until_it_is_stopped(server: Running) -> None:
    command = [
        sys.executable,
        "-m",
        "virtscope",
        "list",
        "domains",
        "-w",
        "-i",
        "0.2",
        "-o",
        "name",
        "-s",
        server.address,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(3)] == ["test\n"] * 3
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
