"""Contexts: whom a command asks, kept by name."""

from __future__ import annotations

import json
import os
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Running
from virtscope.cli import commands, contexts, credentials
from virtscope.errors import BadInput, NotFound


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("VIRTSCOPE_SERVER", raising=False)
    yield tmp_path / "virtscope/contexts.toml"
    os.environ.pop(contexts.VARIABLE, None)


def run(line: str) -> None:
    commands.app(shlex.split(line), standalone_mode=False, prog_name="virtscope")


def test_contexts_are_added_used_and_removed(own: Path, server: Running, capsys: pytest.CaptureFixture[str]) -> None:
    run(f"context add prod --server {server.address}/")
    run("context add lab --connect test:///default")
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    run("context list -o json")
    told = json.loads(capsys.readouterr().out)
    assert [(one["name"], one["current"]) for one in told] == [("lab", False), ("prod", True)]
    assert told[1]["server"] == server.address
    run("list hosts -o json")
    assert len(json.loads(capsys.readouterr().out)) == 2, "the server has two"
    run("list hosts -o json --context lab -i 0.3")
    assert len(json.loads(capsys.readouterr().out)) == 1, "and is not asked now"
    del os.environ[contexts.VARIABLE]
    run("context use lab")
    with pytest.raises(BadInput, match="context 'lab' names hypervisors"):
        run("users list")
    run("context remove lab")
    assert contexts.load() == contexts.Contexts("", {"prod": contexts.Context(server.address)})


def test_certificates_stand_with_the_credentials(tmp_path: Path) -> None:
    import ssl

    file = Path(ssl.get_default_verify_paths().openssl_cafile)
    if not file.exists():
        file = Path("/etc/ssl/certs/ca-certificates.crt")
    run(f"context add prod --server https://v.example --ca {file}")
    assert credentials.of("https://v.example").ca == str(file)
    assert stat.S_IMODE(credentials.path().stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("context add a", "a server, or hypervisors"),
        ("context add a --server http://h --connect test:///default", "a server, or hypervisors"),
        ("context add a --connect nonsense", "no libvirt connection URI"),
        ("context add a --server nonsense", "no server's address"),
        ("context add --server http://h -- -a", "no name for a context"),
        ("context add 'a b' --server http://h", "no name for a context"),
        ("context add a --connect test:///default --token-stdin", "are a server's"),
    ],
)
def test_what_makes_no_sense_is_said(line: str, words: str, own: Path) -> None:
    with pytest.raises(BadInput, match=words):
        run(line)
    assert not own.exists()


def test_a_context_that_there_is_not() -> None:
    for line in ("context use nobody", "context remove nobody", "--context nobody list hosts"):
        with pytest.raises(NotFound, match="no context 'nobody'"):
            run(line)


@pytest.mark.parametrize("text", ["nonsense", "[contexts.a]\n", "contexts = 3\n", "[contexts]\na = 1\n"])
def test_a_file_that_makes_no_sense(text: str, own: Path) -> None:
    own.parent.mkdir(parents=True)
    own.write_text(text)
    with pytest.raises(BadInput, match="cannot read"):
        run("list hosts")
