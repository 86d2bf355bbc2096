"""What `virtscope top` costs: its own CPU time for each second that it is on the screen.

    ./dev bench top [--domains 1000] [--interval 2] [--seconds 30]

A real ``virtscope top`` in a terminal of 160 by 50 asks a server over HTTP; the server, in this process, answers with
hosts, domains and alerts whose figures change with every question, in the shapes of the API. Another one asks libvirt
itself (``--connect``) of as many domains of its test driver, which runs inside of top: what that takes is top's, too.
CPU is top's own process, all its threads, as /proc tells it, from after its first screen on; what it writes is read, as
a terminal would.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import random
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import msgspec
from rich.console import Console
from rich.table import Table

from virtscope.catalogue import Scope, quantities_of
from virtscope.server import answers
from virtscope.server.alerting import shapes

HOSTS = 20
WARM_SECONDS = 5.0
ANY_FILE = """
import sys
from virtscope.agent import uri
from virtscope.cli import main
uri.PATHS |= {sys.argv.pop(1)}
main()
"""
"""virtscope, but that a URI may name this file: elsewhere ``test:///FILE`` is refused."""


def fleet(count: int) -> tuple[answers.HostList, answers.DomainList, shapes.AlertList]:
    """Hosts and domains with figures that are other ones each time, and an alert for every twentieth domain."""
    chance = random.Random()

    def figures(scope: Scope) -> dict[str, float | None]:
        return {quantity.name: chance.random() for quantity in quantities_of(scope)}

    hosts = [
        answers.HostAnswer(
            f"host-{n}", f"host-{n}", f"qemu+ssh://host-{n}/system", "up", 1.0, None, 1.0, 2.0, None,
            answers.HostDescription(64, 2**38, "EPYC", "2 nodes", "QEMU 8.2", "10.0.0", "10.0.0"),
            answers.DomainCount(count // HOSTS, count // HOSTS), figures(Scope.HOST),
        )
        for n in range(HOSTS)
    ]  # fmt: skip
    described = answers.DomainDescription(
        "hvm", "x86_64", "pc-q35-8.2", "server", "m1.large", "project", "owner", True, 4, 2**33, False, [], 10, None
    )
    domains = [
        answers.DomainAnswer(
            f"00000000-0000-4000-8000-{n:012d}", f"instance-{n:08x}", None, f"host-{n % HOSTS}", f"host-{n % HOSTS}",
            "running", None, False, False, 1.0, 2.0, described, figures(Scope.DOMAIN),
        )
        for n in range(count)
    ]  # fmt: skip
    alerts = [
        shapes.AlertAnswer(
            "domain-steal", "warning", "firing",
            shapes.AlertSubject("domains", one.id, one.name, one.host, one.host_name, one.id, "project"),
            1.0, 2.0, chance.random(), "12.3 %", "steal>10", "Move it, or whoever uses most.", silenced=False,
        )
        for one in domains[::20]
    ]  # fmt: skip
    return answers.HostList(1.0, 1, hosts), answers.DomainList(1.0, 1, domains), shapes.AlertList(alerts, None)


def encoded(count: int) -> list[bytes]:
    """A fleet as the API answers it."""
    return [msgspec.json.encode(answer) for answer in fleet(count)]


def serve(answers_now: Callable[[], Sequence[bytes]]) -> tuple[ThreadingHTTPServer, str]:
    """A server of hosts, domains and alerts, as JSON, in threads of this process, and its address."""

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = dict(zip(("hosts", "domains", "alerts"), answers_now(), strict=True))[self.path.rpartition("/")[2]]
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_address[1]}"


def node(count: int) -> str:
    """A host of so many running domains, for libvirt's test driver (``test:///FILE``)."""
    domains = (
        f"<domain type='test'><name>instance-{n:08x}</name><uuid>{UUID(int=n + 1)}</uuid>"
        "<memory>1048576</memory><vcpu>2</vcpu><os><type>hvm</type></os><devices>"
        f"<disk type='file'><source file='/d/{n}'/><target dev='vda'/></disk>"
        f"<interface type='network'><source network='default'/><target dev='vnet{n}'/></interface></devices></domain>"
        for n in range(count)
    )
    network = "<network><name>default</name><ip address='192.0.2.1' netmask='255.255.255.0'/></network>"
    return f"<node>{network}{''.join(domains)}</node>"


def cpu_seconds(pid: int) -> float:
    """What a process has used of the CPU so far: utime and stime of /proc/PID/stat (proc(5))."""
    with Path(f"/proc/{pid}/stat").open() as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read(terminal: int, seconds: float) -> int:
    """Read what is written to a terminal for so long; how many bytes."""
    until, count = time.monotonic() + seconds, 0
    while (left := until - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            count += len(os.read(terminal, 65_536))
    return count


def measure(program: Sequence[str], interval: float, seconds: float) -> tuple[float, float]:
    """Top's share of a core, and the bytes a second that it writes."""
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 160, 0, 0))
    command = [sys.executable, *program, "--interval", str(interval)]
    environment = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, env=environment)
    os.close(inside)
    try:
        read(terminal, WARM_SECONDS)
        before, began = cpu_seconds(process.pid), time.monotonic()
        written = read(terminal, seconds)
        took = time.monotonic() - began
        return (cpu_seconds(process.pid) - before) / took, written / took
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def main() -> None:
    options = argparse.ArgumentParser(prog="bench.top")
    options.add_argument("--domains", type=int, default=1000)
    options.add_argument("--interval", type=float, default=2.0)
    options.add_argument("--seconds", type=float, default=30.0)
    asked = options.parse_args()
    table = Table(title=f"virtscope top, every {asked.interval:g} s")
    for title in ("asked", "domains", "CPU of a core", "written"):
        table.add_column(title, justify="left" if title == "asked" else "right")
    for count in (10, asked.domains):
        with tempfile.NamedTemporaryFile("w", suffix=".xml") as file:
            file.write(node(count))
            file.flush()
            server, address = serve(partial(encoded, count))
            for name, program in {
                "a server": ["-m", "virtscope", "top", "--server", address],
                "libvirt": ["-c", ANY_FILE, file.name, "top", "--connect", f"test://{file.name}"],
            }.items():
                share, written = measure(program, asked.interval, asked.seconds)
                table.add_row(name, str(count), f"{share:.1%}", f"{written / 1024:.1f} KiB/s")
            server.shutdown()
    Console().print(table)


if __name__ == "__main__":
    main()
