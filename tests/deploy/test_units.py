"""systemd's units: sound, hardened, and the programs work within what they allow."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3

from deploy.debian.product import AGENT, PRODUCTS, SERVER, Product
from lab.host import Host
from lab.lab import Lab
from lab.spec import GuestSpec, HostSpec
from tests.deploy.confinement import allowed_calls, settings
from tests.deploy.conftest import ROOT
from tests.exposition.witness import parsed
from tests.running import until
from tests.test_notify import Heard

UNITS = ROOT / "deploy/systemd"
MOST_EXPOSED = 20
"""Tenths of what ``systemd-analyze security`` measures."""


def security(unit: Path, most: int) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--threshold={most}", str(unit)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_exposure(product: Product) -> None:
    unit = UNITS / f"{product.name}.service"
    answer = security(unit, MOST_EXPOSED)
    assert answer.returncode == 0, answer.stdout
    assert security(unit, 5).returncode != 0, "the threshold counts"


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_units_are_sound(product: Product, unpacked: Path, tmp_path: Path) -> None:
    name = f"{product.name}.service"
    text = (unpacked / "lib/systemd/system" / name).read_text()
    assert text == (UNITS / name).read_text()
    placed = tmp_path / name
    placed.write_text(text.replace("/usr/lib/virtscope", f"{unpacked}/usr/lib/virtscope"))
    answer = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", placed], capture_output=True, text=True, check=False
    )
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_units_say_what_packages_do(product: Product) -> None:
    found = settings(UNITS / f"{product.name}.service")
    assert found["User"] == [product.user]
    assert found["StateDirectory"] == [Path(product.state).name]
    assert found["ExecStart"] == [f"/usr/lib/{product.name}/bin/virtscope {product.program}"]
    assert found["Type"] == ["notify"]
    assert f"u {product.user} " in (ROOT / f"deploy/sysusers/{product.name}.conf").read_text()


def test_what_the_filters_leave() -> None:
    for product in PRODUCTS:
        calls = allowed_calls(settings(UNITS / f"{product.name}.service")["SystemCallFilter"])
        assert {"read", "openat", "connect", "sendto", "fdatasync", "pipe2"} <= calls
        assert not calls & {"mount", "ptrace", "bpf", "kexec_load", "setuid", "init_module", "chown"}


@pytest.fixture
def user(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A user whom nobody knows, and a folder of his that he can reach."""
    name = f"virtscope-test-{os.getpid()}"
    subprocess.run(["useradd", "--system", "--no-create-home", name], check=True)
    home = Path("/var/tmp") / name
    home.mkdir(mode=0o700)
    known = pwd.getpwnam(name)
    os.chown(home, known.pw_uid, known.pw_gid)
    yield name, home
    shutil.rmtree(home)
    subprocess.run(["userdel", name], check=True)


@pytest.fixture
def host() -> Iterator[Host]:
    """A real libvirtd with a guest that runs."""
    with tempfile.TemporaryDirectory(prefix="vs-", dir="/var/tmp") as folder, Lab(Path(folder)) as made:
        Path(folder).chmod(0o755)
        made.up([HostSpec("kvm1", (GuestSpec("steady", ("cpu:50",)),))])
        yield made.hosts[0]


@contextmanager
def confined(product: Product, unpacked: Path, user: tuple[str, Path], *arguments: str) -> Iterator[tuple[Heard, str]]:
    """A program within what its unit allows: what it tells the service manager, and where it is to be found."""
    name, home = user
    unit = home / "unit.service"
    unit.write_text((UNITS / f"{product.name}.service").read_text().replace(f"User={product.user}\n", f"User={name}\n"))
    heard = Heard(f"@{name}")
    program = (f"{unpacked}/usr/lib/{product.name}/bin/virtscope", product.program, *arguments)
    command = ["/usr/bin/python3", "-m", "tests.deploy.confinement", str(unit), str(home), *program]
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(home),
        "STATE_DIRECTORY": str(home),
        "NOTIFY_SOCKET": heard.address,
        "WATCHDOG_USEC": "1500000",
    }
    with subprocess.Popen(command, env=environment, cwd=ROOT) as process:
        try:
            status = heard.until("READY=1")[-1][1]
            address = status[status.index("http://") :].split()[0].rstrip("/,")
            seen = Path(f"/proc/{process.pid}/status").read_text()
            assert f"Uid:\t{pwd.getpwnam(name).pw_uid}\t" in seen
            assert "CapEff:\t0000000000000000" in seen
            assert "Seccomp:\t2" in seen
            yield heard, address
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            heard.close()


def test_the_server_works_within_its_unit(unpacked: Path, user: tuple[str, Path]) -> None:
    arguments = ("--listen", "127.0.0.1:0", "--agents-listen", "127.0.0.1:0", "-c", "test:///default", "-i", "0.5")
    with confined(SERVER, unpacked, user, *arguments) as (heard, address):

        def names() -> list[str]:
            answer = urllib3.request("GET", f"{address}/api/v1/domains", retries=False).json()
            return [domain["name"] for domain in answer["domains"]]

        until(lambda: names() == ["test"], "the test driver's domain")
        assert heard.until("WATCHDOG=1")
    assert list(user[1].rglob("*.duckdb"))


def test_the_agent_works_within_its_unit(unpacked: Path, user: tuple[str, Path], host: Host) -> None:
    """Libvirt and the kernel are read as on any host: by a user who is nobody there."""
    with confined(AGENT, unpacked, user, "--metrics", "127.0.0.1:0", "-c", host.uri, "-i", "0.5") as (heard, address):

        def lanes() -> set[str]:
            text = urllib3.request("GET", address, retries=False).data.decode()
            samples = [sample for family in parsed(text) for sample in family.samples]
            lasts = {s.labels["lane"] for s in samples if s.name == "virtscope_collect_duration_seconds"}
            return lasts if any(s.labels.get("domain") == "steady" for s in samples) else set()

        until(lambda: lanes() == {"libvirt", "kernel"}, "figures of libvirt and of the kernel")
        assert heard.until("WATCHDOG=1")
