"""Tenants choose names, titles and metadata: whatever they are, every output stays harmless and tells them truly."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import libvirt
import pytest
import yaml

from lab.host import Host
from lab.lab import Lab
from lab.spec import HostSpec
from tests.exposition.witness import parsed
from tests.running import Running, running, until
from tests.top.terminal import terminal

WANTED = [
    "..", "-rf", "a;b$(id)", "<img src=x onerror=alert(1)>", "tab\there", "right\u202eto left", "c1\u009b31mred",
    "quote\"'`", "=1+1", "@sum", "back\\slash", "{{7*7}}", "ü" * 150, "%s%n", "a,b", "&amp;",
]  # fmt: skip
NOVA = "http://openstack.org/xmlns/libvirt/nova/1.1"
STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that steer a terminal, line feed and tab excepted."""
SGR = re.compile(r"\x1b\[[0-9;]*m")
"""Colours, which are ours to send."""


def domain_xml(name: str) -> str:
    text, attribute = escape(name), quoteattr(name)
    return f"""<domain type='qemu'><name>{text}</name><title>{text}</title><description>{text}</description>
<metadata><n:instance xmlns:n="{NOVA}"><n:name>{text}</n:name><n:flavor name={attribute}/>
<n:owner><n:project uuid={attribute}>{text}</n:project></n:owner></n:instance></metadata>
<memory unit='MiB'>8</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><interface type='network'><source network='default'/>
<filterref filter='clean-traffic'><parameter name='IP' value='10.0.0.1'/></filterref></interface></devices></domain>"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host whose tenants are hostile: every wanted name that libvirt accepts."""
    with tempfile.TemporaryDirectory(prefix="vs-", dir="/var/tmp") as folder, Lab(Path(folder)) as made:
        made.up([HostSpec("kvm1")])
        found = made.host("kvm1")
        with found.connection() as connection:
            for name in WANTED:
                with suppress(libvirt.libvirtError):
                    connection.defineXML(domain_xml(name))
        yield found


@pytest.fixture(scope="module")
def names(host: Host) -> dict[str, str]:
    """UUID to name, as libvirt itself says."""
    with host.connection() as connection:
        return {domain.UUIDString(): domain.name() for domain in connection.listAllDomains()}


@pytest.fixture(scope="module")
def watched(host: Host, names: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("hostile")
    with running(folder, "--connect", host.uri, "--interval", "0.5") as process:
        until(lambda: len(process.get("/api/v1/domains")["domains"]) == len(names), "the domains")
        until(lambda: process.get("/api/v1/filters")["filters"], "the filters")
        yield process


def virtscope(*arguments: str) -> str:
    """What a command writes into a pipe."""
    command = [sys.executable, "-m", "virtscope", *arguments]
    environment = {**os.environ, "COLUMNS": "400"}
    return subprocess.run(command, capture_output=True, check=True, env=environment).stdout.decode()


def on_a_terminal(*arguments: str) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "300", "LINES": "200", "TERM": "xterm-256color"}
    with subprocess.Popen(
        [sys.executable, "-m", "virtscope", *arguments], stdout=theirs, stdin=theirs, env=environment
    ):
        os.close(theirs)
        parts = []
        with suppress(OSError):  # EIO: nobody writes any more
            while part := os.read(ours, 65_536):
                parts.append(part)
    os.close(ours)
    return b"".join(parts).decode()


def test_libvirt_accepts_hostile_names(names: dict[str, str]) -> None:
    assert len(names) >= 12
    assert {"-rf", "a;b$(id)", "<img src=x onerror=alert(1)>", "=1+1"} <= set(names.values())


def test_the_api_tells_them_truly(watched: Running, names: dict[str, str]) -> None:
    found = watched.get("/api/v1/domains")["domains"]
    assert {one["id"]: one["name"] for one in found} == names
    for uuid, name in names.items():
        detail = watched.get(f"/api/v1/domains/{uuid}")
        assert detail["title"] == name
        assert detail["facts"]["instance_name"] == detail["facts"]["project"] == name
        assert watched.get(f"/api/v1/domains/{uuid}/filters")["interfaces"][0]["filter"] == "clean-traffic"
        assert watched.get(f"/api/v1/domains/{uuid}/history")["versions"]


@pytest.mark.parametrize("accept", ["application/openmetrics-text", "text/plain"])
def test_metrics_are_well_formed(watched: Running, names: dict[str, str], accept: str) -> None:
    families = parsed(watched.request("/metrics", Accept=accept).data.decode())
    samples = [(s.name, tuple(sorted(s.labels.items()))) for family in families for s in family.samples]
    assert len(samples) == len(set(samples))
    assert {dict(labels).get("uuid") for _, labels in samples} - {None} == set(names)
    assert not [value for _, labels in samples for _, value in labels if STEERS.search(value)]


COMMANDS = ["list domains", "list domains -o wide", "list nics", "list events", "top --once"]


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_steers_the_terminal(watched: Running, host: Host, command: str) -> None:
    sources = [["--server", watched.address], ["--connect", host.uri]]
    # Only a server remembers events.
    for source in sources[:1] if command == "list events" else sources:
        asked = [*command.split(), *source]
        for shown in (virtscope(*asked), on_a_terminal(*asked)):
            assert not STEERS.search(SGR.sub("", shown.replace("\r\n", "\n"))), repr(shown)


def test_top_shows_them_and_is_not_steered(watched: Running) -> None:
    with terminal("top", "--server", watched.address, columns=160, lines=40) as seen:
        for name in ("right\\u202eto left", "c1\\x9b31mred", "<img src=x onerror=alert(1)>"):
            seen.until(name)
        seen.type("q")
        assert seen.status() == 0
        assert not set("\x9b\u202e") & set(seen.written.decode())


def test_one_by_one(watched: Running, names: dict[str, str]) -> None:
    for uuid in names:
        for command in (("show", "domain"), ("filters", "tree"), ("xml",)):
            shown = on_a_terminal(*command, uuid, "--server", watched.address)
            assert not STEERS.search(SGR.sub("", shown.replace("\r\n", "\n"))), repr(shown)


def test_machines_get_them_truly(watched: Running, names: dict[str, str]) -> None:
    source = ("--server", watched.address)
    as_json: list[dict[str, Any]] = json.loads(virtscope("list", "domains", "-o", "json", *source))
    assert {one["id"]: one["name"] for one in as_json} == names
    as_yaml = yaml.safe_load(virtscope("list", "domains", "-o", "yaml", *source))
    assert {one["id"]: one["name"] for one in as_yaml} == names
    rows = list(csv.reader(io.StringIO(virtscope("list", "domains", "-o", "csv", *source))))
    assert len(rows) == len(names) + 1
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t"))]


def test_the_xml_is_byte_for_byte_that_of_virsh(watched: Running, host: Host, names: dict[str, str]) -> None:
    for uuid in names:
        theirs = subprocess.run(["virsh", "-c", host.uri, "dumpxml", uuid], capture_output=True, check=True).stdout
        assert virtscope("xml", uuid, "--server", watched.address).strip() == theirs.decode().strip()


def test_dumped_files_stay_where_they_belong(watched: Running, names: dict[str, str], tmp_path: Path) -> None:
    """A link that lies in the way is replaced, and what it led to is left alone."""
    folder, elsewhere = tmp_path / "dumped", tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere.write_text("untouched")
    (folder / f"{next(iter(names))}.xml").symlink_to(elsewhere)
    virtscope("dump-xml", "--dir", str(folder), "--server", watched.address)
    assert {path.name for path in folder.iterdir()} == {f"{uuid}.xml" for uuid in names} | {"index.csv"}
    assert all(stat.S_IMODE(path.lstat().st_mode) == 0o600 and not path.is_symlink() for path in folder.iterdir())
    assert elsewhere.read_text() == "untouched"
    assert {path.name for path in tmp_path.iterdir()} == {"dumped", "elsewhere"}
    index = list(csv.reader(io.StringIO((folder / "index.csv").read_text())))
    assert {row[0] for row in index[1:]} == set(names)
    assert not [cell for row in index for cell in row if cell.startswith(("=", "+", "-", "@"))]
