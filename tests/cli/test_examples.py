"""The examples that change something, one after another: each finds what those before it have left."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_commands import ALL, READ, examples, is_group, run
from tests.running import PATIENCE, Running, running
from virtscope.cli import people
from virtscope.errors import NotFound

PASSWORD = "correct horse battery"
RULE = '[web-steal]\non = "domains"\nwhen = "steal>10"\nseverity = "warning"\n'
COVERED: set[str] = set()
"""The commands whose example a test here runs."""


def runs(*names: str) -> pytest.MarkDecorator:
    """A test that runs the examples of these commands, all of them."""
    COVERED.update(names)
    return pytest.mark.parametrize("names", [frozenset(names)], ids=[names[0]])


class Asker:
    """Runs examples of commands, with what is true here in the place of what they name."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch
        self.ran: set[str] = set()

    def __call__(self, name: str, *instead: tuple[str, str], more: str = "", given: str = "") -> str:
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(given))
        self.ran.add(name)
        said = ""
        for example in examples(name):
            line = example.partition(" < ")[0]
            for old, new in instead:
                line = line.replace(old, new)
            said += run(self._capsys, f"{line} {more}")
        return said


@pytest.fixture
def ask(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, names: frozenset[str]
) -> Iterator[Asker]:
    """Somebody in a folder of his own, with a configuration of his own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(people, "_secret", lambda _what: PASSWORD)  # what is typed at a terminal
    made = Asker(capsys, monkeypatch)
    yield made
    assert made.ran == names


@pytest.fixture(scope="module")
def managed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that agents enrol with; who has its socket may do everything."""
    with running(
        tmp_path_factory.mktemp("managed") / "data", "--agents-listen", "127.0.0.1:0", "--login", program="server"
    ) as one:
        yield one


@pytest.fixture
def socket(managed: Running, monkeypatch: pytest.MonkeyPatch) -> str:
    """The server is asked by its socket."""
    address = f"unix:{managed.data}/server.sock"
    monkeypatch.setenv("VIRTSCOPE_SERVER", address)
    return address


@runs(
    "token create",
    "token list",
    "token withdraw",
    "enrol",
    "agents list",
    "agents rename",
    "agents revoke",
)
def test_letting_hosts_in(ask: Asker, socket: str, tmp_path: Path) -> None:
    _, token, _, _, _, address, _ = ask("token create").split()
    ask(
        "enrol",
        ("https://virtscope.example.org:8421", address),
        more=f"--name host-1 --identity {tmp_path}/agent",
        given=token,
    )
    ask("agents rename")
    assert "rack2-host-1" in ask("agents list")
    ask("agents revoke", ("host-1", "rack2-host-1"))
    ask("token create")
    open_one = json.loads(ask("token list", ("-l", "-o json -l")))[0]["id"]
    ask("token withdraw", ("1a2b3c", open_one))


@runs(
    "users add",
    "users set",
    "users list",
    "users passwd",
    "users remove",
    "login",
    "logout",
    "api-tokens create",
    "api-tokens list",
    "api-tokens revoke",
)
def test_letting_people_in(
    ask: Asker, managed: Running, socket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys, "virtscope users add rosa --role admin")  # somebody has to stay
    ask("users add")
    ask("users set")
    assert "alice" in ask("users list")
    monkeypatch.setenv("VIRTSCOPE_SERVER", managed.address)
    ask("login", ("https://virtscope.example.org", managed.address))
    assert ask("api-tokens create").strip()
    assert "backup" in ask("api-tokens list")
    ask("api-tokens revoke")
    ask("users passwd")
    ask("login", ("https://virtscope.example.org", managed.address))
    ask("logout")
    monkeypatch.setenv("VIRTSCOPE_SERVER", socket)
    ask("users remove")
    assert run(capsys, "virtscope users list -o name") == "rosa\n"


@runs(
    "alerts rules apply",
    "alerts rules export",
    "alerts rules remove",
    "alerts silences add",
    "alerts silences list",
    "alerts silences end",
    "alerts receivers add",
    "alerts receivers test",
    "alerts receivers outbox",
    "alerts receivers retry",
    "alerts receivers remove",
    "alerts receivers list",
    "findings dismiss",
    "findings restore",
)
def test_telling_people(ask: Asker, socket: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(RULE)
    ask("alerts rules apply")
    assert "[web-steal]" in ask("alerts rules export")
    ask("alerts rules remove")
    ask("alerts silences add")
    assert "repair" in ask("alerts silences list")
    ask("alerts silences end", ("3", "1"))
    ask("alerts receivers add")
    assert "ops" in ask("alerts receivers list")
    ask("alerts receivers test")
    assert "a test" in ask("alerts receivers outbox")
    ask("alerts receivers retry")
    ask("alerts receivers remove")
    for name in ("findings dismiss", "findings restore"):
        with pytest.raises(NotFound):
            ask(name)


@runs(
    "store check",
    "backup",
    "restore",
)
def test_keeping_the_store(ask: Asker, socket: str, tmp_path: Path) -> None:
    kept = ("/backup/virtscope.tar", f"{tmp_path}/kept.tar")
    ask("store check")
    ask("backup", kept)
    ask("restore", kept, ("/var/lib/virtscope", f"{tmp_path}/restored"))
    assert (tmp_path / "restored/hot.duckdb").exists()


@runs(
    "dump-xml",
    "report",
    "analyze",
)
def test_what_is_written(ask: Asker, server: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIRTSCOPE_SERVER", server.address)
    ask("dump-xml", ("/backup/domains", f"{tmp_path}/xml"))
    assert list((tmp_path / "xml").glob("*.xml"))
    ask("report", ("fleet.html", "fleet.html -a idle"))
    assert "<html" in (tmp_path / "fleet.html").read_text()
    assert "test" in ask("analyze", (" -l severity:warning", " -l kind:domain"), more="--all")


@runs(
    "context add",
    "context use",
    "context list",
    "context remove",
)
def test_contexts(ask: Asker) -> None:
    ask("context add")
    ask("context use", ("prod", "lab"))
    assert "lab" in ask("context list")
    ask("context remove")


@runs("up", "agent", "server", "top", "simulate")
def test_what_goes_on_until_it_is_stopped(
    ask: Asker, server: Running, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VIRTSCOPE_SERVER", server.address)
    top = ask("top", ("virtscope top", "virtscope top -n 1 -i 0.5"), ("qemu:///system", "test:///default"))
    assert top.count("hosts up") == 1 + 1 + 3
    assert "test" in (tmp_path / "figures.csv").read_text()
    (example,) = examples("simulate")
    command = [sys.executable, "-m", *example.split(), "--listen", "127.0.0.1:0"]
    command[command.index("/tmp/simulated")] = str(tmp_path / "simulated")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert any(" is at http" in line for line in process.stderr)
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    ask.ran.add("simulate")
    for program in ("up", "agent", "server"):
        assert "interval" in ask(program, more="--check")


def test_no_example_is_left_out() -> None:
    read = {name for name in ALL if not is_group(name) and set(examples(name)) <= set(READ)}
    assert {name for name in ALL if not is_group(name)} - read - COVERED == set()
