"""Our figures against Debian's exporter: where both have a name, both have the same value."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import urllib3

from lab.host import Host
from lab.lab import Lab
from tests.exposition.witness import parsed
from tests.running import until
from virtscope.agent.following import follow
from virtscope.agent.pace import Pace
from virtscope.agent.settings import watching
from virtscope.exposition.board import Board
from virtscope.exposition.families import exposition
from virtscope.exposition.text_format import Format, text
from virtscope.sample import now_ms

pytestmark = pytest.mark.alone

GUEST = "mixed"
OURS_ONLY = {"host", "state_desc"}
"""Labels that they do not have."""
THEIRS_ONLY = {"source_file", "source_bridge", "stateDesc"}
"""Labels that are in our info series."""
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def series(made: str, leave_out: set[str]) -> Series:
    """What is told of the guest: values by name and labels."""
    return {
        (sample.name, tuple(sorted((k, v) for k, v in sample.labels.items() if k not in leave_out))): sample.value
        for family in parsed(made)
        for sample in family.samples
        if sample.labels.get("domain") == GUEST
    }


@contextmanager
def suspended(host: Host) -> Iterator[None]:
    """The guest stands still, and its counters with it."""
    with host.connection() as connection:
        domain = connection.lookupByName(GUEST)
        domain.suspend()
        try:
            yield
        finally:
            domain.resume()


@contextmanager
def theirs(uri: str) -> Iterator[str]:
    """Debian's exporter for as long as the block lasts: what to scrape."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = ["prometheus-libvirt-exporter", f"--web.listen-address={address}", f"--libvirt.uri={uri}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield f"http://{address}/metrics"
        finally:
            process.terminate()


def scraped(url: str) -> str:
    """What it says of the guest; empty until it answers."""
    try:
        with urllib3.PoolManager(retries=False) as pool:
            made = pool.request("GET", url).data.decode()
    except urllib3.exceptions.HTTPError:
        return ""
    return made if GUEST in made else ""


def ours(host: Host) -> str:
    """What our agent makes of its first samples, as text."""
    board = Board()
    following = follow(watching([host.uri], Pace(1, 1)), board, board)
    try:

        def made() -> str:
            found = text(exposition(board.view(now_ms())).families, Format.PROMETHEUS).decode()
            return found if "libvirt_domain_interface_stats" in found and "libvirt_domain_block_stats" in found else ""

        return str(until(made, "our figures"))
    finally:
        following.stop()


def test_values_are_those_of_debians_exporter(lab: Lab) -> None:
    host = lab.host("kvm2")
    with suspended(host), theirs(host.uri) as url:
        witness = series(until(lambda: scraped(url), "the exporter's answer"), THEIRS_ONLY)
        found = series(ours(host), OURS_ONLY)
    shared = witness.keys() & found.keys()
    names = {name for name, _ in shared}
    assert len(names) >= 12, sorted(name for name, _ in witness)
    cpu_time = {key for key in shared if key[0] == "libvirt_domain_info_cpu_time_seconds_total"}
    assert {key: found[key] for key in shared - cpu_time} == {key: witness[key] for key in shared - cpu_time}
    for key in cpu_time:
        # Theirs is the process's, to the kernel's tick; ours its control group's. The emulator's own threads go on.
        assert found[key] == pytest.approx(witness[key], rel=0.02, abs=0.1)
