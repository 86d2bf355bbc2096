"""The command line as people use it: answers in every format, errors as sentences."""

from __future__ import annotations

import csv
import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.running import Running

TEST = ("--connect", "test:///default", "--interval", "0.3")


def virtscope(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "virtscope", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", **environment},
    )


@pytest.mark.parametrize(
    ("what", "first"), [("hosts", "name"), ("domains", "name"), ("disks", "target"), ("nics", "mac")]
)
def test_a_list_in_every_format(what: str, first: str) -> None:
    as_json = json.loads(virtscope("list", what, *TEST, "-o", "json").stdout)
    assert len(as_json) == 1
    assert first in as_json[0]
    assert yaml.safe_load(virtscope("list", what, *TEST, "-o", "yaml").stdout)[0][first] == as_json[0][first]
    rows = list(csv.reader(io.StringIO(virtscope("list", what, *TEST, "-o", "csv").stdout)))
    assert len(rows) == 2
    name = virtscope("list", what, *TEST, "-o", "name").stdout
    assert name.strip() == rows[1][0]
    assert rows[1][0] in virtscope("list", what, *TEST).stdout
    wide = virtscope("list", what, *TEST, "-o", "wide").stdout
    assert len(wide.splitlines()[1]) > len(virtscope("list", what, *TEST).stdout.splitlines()[1])


def test_one_domain_and_one_host() -> None:
    shown = virtscope("show", "domain", "test", *TEST)
    assert shown.returncode == 0
    assert "6695eb01-f6a4-8304-79aa-97f2502e193f" in shown.stdout
    host = json.loads(virtscope("list", "hosts", *TEST, "-o", "json").stdout)[0]
    assert host["id"] in virtscope("show", "host", host["name"], *TEST).stdout


def test_a_server_answers_as_a_hypervisor_does(server: Running) -> None:
    direct = json.loads(virtscope("list", "domains", *TEST, "-o", "json").stdout)[0]
    through = json.loads(virtscope("list", "domains", "--server", server.address, "-o", "json").stdout)[0]
    assert direct.keys() == through.keys()
    assert direct["id"] == through["id"]
    assert "test" in virtscope("top", "--once", "--server", server.address).stdout
    assert "1 of 2 hosts up" in virtscope("top", "--once", "--server", server.address).stdout


def test_doctor() -> None:
    good = virtscope("doctor", "--connect", "test:///default")
    assert good.returncode == 0
    assert "✓ test:///default" in good.stdout
    bad = virtscope("doctor", "--connect", "qemu+unix:///system?socket=/nonexistent")
    assert bad.returncode == 1
    assert "✗ qemu+unix" in bad.stdout
    assert "→" in bad.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("list", "hosts", "--connect", "nonsense"), 2, "is no libvirt connection URI"),
        (("list", "hosts", "--connect", "qemu+ext:///system?command=/bin/true"), 2, "transport 'ext' is not allowed"),
        (("list", "hosts", "--connect", "qemu:///system?command=/bin/true"), 2, "parameter 'command' is not allowed"),
        (("list", "hosts", "--connect", "qemu+unix:///system?socket=/nonexistent"), 3, "cannot connect to"),
        (("show", "domain", "nobody", *TEST), 4, "no domain 'nobody'"),
        (("show", "host", "nobody", *TEST), 4, "no host 'nobody'"),
        (("list", "hosts", "--server", "http://127.0.0.1:1"), 3, "no virtscope server answers"),
        (("list", "hosts", "--server", "somewhere"), 2, "is no server's address"),
        (("list", "hosts", "-o", "nonsense"), 2, "nonsense"),
        (("nonsense",), 2, "No such command"),
        (("up", "--listen", "nonsense"), 2, "listen = 'nonsense' is nothing to listen on"),
        (("up", "--connect", "test:///default", "--connect", "test:///default"), 2, "given twice"),
        (("up", "--interval", "0"), 2, "interval"),
    ],
)
def test_bad_input_is_a_sentence(arguments: tuple[str, ...], status: int, words: str) -> None:
    answer = virtscope(*arguments)
    assert answer.returncode == status
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.splitlines()) >= 2, "a hint what to do"


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        answer = virtscope("up", "--connect", "test:///default", "--data", str(tmp_path), "--listen", address)
    assert answer.returncode == 2
    assert "the port is in use" in answer.stderr


def test_no_libvirt_library(tmp_path: Path) -> None:
    (tmp_path / "libvirt.py").write_text("raise ImportError('libvirt.so.0: cannot open shared object file')")
    answer = virtscope("list", "hosts", *TEST, PYTHONPATH=str(tmp_path))
    assert answer.returncode == 3
    assert "the libvirt library cannot be loaded" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_no_server_libraries(tmp_path: Path) -> None:
    (tmp_path / "duckdb.py").write_text("raise ModuleNotFoundError('No module', name='duckdb')")
    answer = virtscope("up", "--connect", "test:///default", PYTHONPATH=str(tmp_path))
    assert answer.returncode == 1
    assert "virtscope[server]" in answer.stderr


def test_a_data_folder_that_cannot_be() -> None:
    answer = virtscope("up", "--connect", "test:///default", "--listen", "127.0.0.1:0", "--data", "/proc/nowhere")
    assert answer.returncode == 6
    assert "cannot make the data folder" in answer.stderr


def test_whoever_stops_reading_is_no_error() -> None:
    command = f"{sys.executable} -m virtscope list domains --connect test:///default -i 0.3 -o json | true"
    answer = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert answer.stderr == ""
