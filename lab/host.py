"""One host: namespaces of its own with a libvirtd in them, and the guests it runs.

All of a host's processes live in one pid namespace. Its first process is kept by a *keeper* (``unshare``), and when the
keeper ends, even by SIGKILL, the kernel ends all of them and takes down their network: nothing is left to clean up but
files. A keeper is found again by its arguments, which name the lab's folder.
"""

from __future__ import annotations

import ipaddress
import os
import re
import selectors
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import libvirt

from lab import domain_xml, report
from lab.errors import LabError
from lab.image import Image, image
from lab.keys import Keys
from lab.spec import GuestSpec

_SCRIPT = Path(__file__).parent / "host.sh"
_LISTEN = Path(__file__).parent / "listen.sh"
# Killed with its child, which is the first process of the host's namespaces.
_KEEPER = (
    *("unshare", "--mount", "--uts", "--net", "--pid", "--mount-proc", "--propagation", "private"),
    *("--fork", "--kill-child=KILL", "bash", str(_SCRIPT)),
)
_NAMESPACE = uuid.UUID("2f0c5dd0-5b1e-4a52-9d0f-6f7f3f6c2b11")
START_SECONDS = 60.0
"""How long anything on a host may take to come up."""
GONE_SECONDS = 2.0
"""How long the keeper may be out of sight before its host has failed."""
DISK_BYTES = 64 * 1024 * 1024
FIRST_ADDRESS = 10
"""Last octet of the first guest's address."""
_WIRES = ipaddress.IPv4Network("198.18.0.0/15")
"""Networks of four addresses for hosts that listen: a range that is set apart for tests of networks."""


class Host:
    """A host of a lab, up or not; everything is found from its folder."""

    def __init__(self, folder: Path) -> None:
        """The host of a folder."""
        self.folder = folder
        self.name = folder.name

    @property
    def uuid(self) -> str:
        """The UUID that libvirt tells: the same at every start of this host of this lab."""
        return str(uuid.uuid5(_NAMESPACE, str(self.folder)))

    @property
    def socket(self) -> Path:
        """Libvirtd's socket, as seen from outside."""
        return self.folder / "run/libvirt-sock"

    @property
    def uri(self) -> str:
        """The connection URI, as seen from outside."""
        return f"qemu+unix:///system?socket={self.socket}"

    @property
    def address(self) -> str:
        """Where the host is reached over the network.

        Raises:
            LabError: it does not listen.
        """
        try:
            return self._address_file.read_text()
        except FileNotFoundError:
            raise LabError(f"host {self.name} does not listen: that takes HostSpec(…, listens=True)") from None

    @property
    def ssh_uri(self) -> str:
        """By the ``ssh`` program, which must know the host's key: ``Keys.programs`` has one that does."""
        return f"qemu+ssh://root@{self.address}/system?keyfile={self.keys.client}/id&no_tty=1"

    @property
    def libssh2_uri(self) -> str:
        """By SSH without a program: libvirt itself looks the host's key up.

        Not ``qemu+libssh``: with libvirt 9.0 it hung or crashed the process that used it.
        """
        known = f"known_hosts={self.keys.known_hosts}&known_hosts_verify=normal"
        return f"qemu+libssh2://root@{self.address}/system?keyfile={self.keys.client}/id&sshauth=privkey&{known}"

    @property
    def tls_uri(self) -> str:
        """By TLS, each end with a certificate."""
        return f"qemu+tls://{self.address}/system?pkipath={self.keys.client}"

    @property
    def tcp_uri(self) -> str:
        """By TCP, which lets everybody in."""
        return f"qemu+tcp://{self.address}/system"

    @property
    def keys(self) -> Keys:
        """The keys of the host's lab."""
        return Keys(self.folder.parents[1] / "keys")

    @property
    def keeper(self) -> int | None:
        """The pid of the process that keeps the host; None where it is down."""
        return next(iter(keepers(self.folder)), None)

    @property
    def libvirtd(self) -> int | None:
        """The pid of its libvirtd, as seen from outside; None where it is stopped."""
        return next((pid for pid in self._pids() if _name(pid) == "libvirtd"), None)

    def up(self, number: int, *, listens: bool = False) -> None:
        """Bring the host up, without guests; ``number`` is the third octet of its guests' network.

        One that listens is reached over the network too, with the keys of its lab.

        Raises:
            LabError: it does not come up, with what its log says.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        # Guests run as a user of their own, who writes their consoles here.
        for folder in (*self.folder.parents[:2], self.folder):
            folder.chmod(0o755)
        (self.folder / "disks").mkdir()
        (self.folder / "disks").chmod(0o777)
        with (self.folder / "keeper.log").open("w") as log:
            subprocess.run(
                ["setsid", "--fork", *_KEEPER, str(self.folder), self.name, self.uuid, str(number)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                check=True,
            )
        self._wait_for((self.folder / "ready").exists, "its namespaces", self.folder / "keeper.log")
        (self.folder / "subnet").write_text(str(number))
        if listens:
            self._listen()
        self.start_libvirtd()

    def down(self) -> None:
        """End the host with everything on it, and remove its files."""
        for pid in keepers(self.folder):
            end(pid)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command: str) -> str:
        """What a command prints that is run on the host.

        Raises:
            LabError: the host is down, or the command fails.
        """
        answer = subprocess.run([*self._enter(), *command], capture_output=True, text=True, check=False)
        if answer.returncode:
            raise LabError(f"{self.name}: {' '.join(command)}: {answer.stderr.strip() or answer.stdout.strip()}")
        return answer.stdout

    def start_libvirtd(self) -> None:
        """Start libvirtd, and wait until it answers."""
        self.socket.unlink(missing_ok=True)
        listen = ["--listen"] if self._address_file.exists() else []
        self.run("libvirtd", "--daemon", "--pid-file", "/run/libvirt/libvirtd.pid", *listen)
        self._wait_for(self._answers, "libvirtd", self.folder / "log/libvirtd.log")

    def stop_libvirtd(self) -> None:
        """Kill libvirtd; the guests go on."""
        if (pid := self.libvirtd) is not None:
            end(pid)

    def start_guest(self, spec: GuestSpec, number: int, made: Image | None = None) -> None:
        """Define a guest, the ``number``-th of the host, and start it where its spec says so."""
        made = image(agent=True) if spec.agent else made or image()
        disks = self.folder / "disks"
        for disk in range(spec.disks):
            with domain_xml.disk_file(disks, spec.name, disk).open("wb") as file:
                file.truncate(DISK_BYTES)
        network = f"10.77.{(self.folder / 'subnet').read_text()}"
        address = f"{network}.{FIRST_ADDRESS + number}"
        xml = domain_xml.guest(spec, self.guest_uuid(spec.name), made, disks, address, f"{network}.1")
        _forget_cgroups(spec.name)
        with self.connection() as connection:
            domain = connection.defineXML(xml)
            if spec.started:
                domain.create()

    def start_bare(self, count: int, devices: int = 1) -> None:
        """Start so many paused domains that never boot, each with so many disks and interfaces."""
        disks = self.folder / "disks"

        def start(index: int) -> None:
            name = f"bare-{index:03}"
            for number in range(devices):
                with domain_xml.disk_file(disks, name, number).open("wb") as file:
                    file.truncate(DISK_BYTES)
            _forget_cgroups(name)
            xml = domain_xml.bare(name, self.guest_uuid(name), disks, devices)
            connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)

        with self.connection() as connection, ThreadPoolExecutor(4) as pool:
            for _ in pool.map(start, range(count)):
                pass

    def stop_guest(self, name: str) -> None:
        """Cut a guest off, as ``virsh destroy`` does."""
        with self.connection() as connection:
            connection.lookupByName(name).destroy()

    def restart_guest(self, name: str) -> None:
        """Start a guest that is defined and shut off."""
        with self.connection() as connection:
            connection.lookupByName(name).create()

    def guest_uuid(self, name: str) -> str:
        """The UUID of a guest of this host, whether it exists or not."""
        return str(uuid.uuid5(uuid.UUID(self.uuid), name))

    def guest_pid(self, name: str) -> int:
        """The pid of a guest's QEMU, as seen from outside."""
        wanted = self.guest_uuid(name)
        found = [pid for pid in self._pids() if wanted in _arguments(pid) and _name(pid).startswith("qemu")]
        if not found:
            raise LabError(f"{self.name}: guest {name} does not run")
        return found[0]

    def emulators(self) -> list[int]:
        """The pids of all its QEMUs, as seen from outside."""
        return [pid for pid in self._pids() if _name(pid).startswith("qemu") and "-uuid" in _arguments(pid)]

    def reports(self, name: str) -> list[report.GuestReport]:
        """Everything that a guest has told of itself since its start."""
        return report.reports(self.folder / "disks" / f"{name}.console")

    def next_report(self, name: str) -> report.GuestReport:
        """The next report of a guest, as soon as it is there."""
        before = len(self.reports(name))
        self._wait_for(
            lambda: len(self.reports(name)) > before, f"a report of guest {name}", self.folder / "keeper.log"
        )
        return self.reports(name)[-1]

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """A read-write connection."""
        connection = libvirt.open(self.uri)
        try:
            yield connection
        finally:
            connection.close()

    def guests(self) -> list[tuple[str, str]]:
        """Every guest's name and state, ``running`` or not."""
        with self.connection() as connection:
            domains = connection.listAllDomains()
            return sorted((domain.name(), "running" if domain.isActive() else "shut off") for domain in domains)

    @property
    def _address_file(self) -> Path:
        return self.folder / "address"

    def _listen(self) -> None:
        """Give the host a wire to the outside, keys, and an sshd; libvirtd listens from its next start."""
        address = _wire(self._first())
        self.keys.make_for_host(self.name, address)
        self.run("bash", str(_LISTEN), str(self.folder), self.name, address, str(self.keys.folder))
        self._address_file.write_text(address)

    def _answers(self) -> bool:
        if not self.socket.exists():
            return False
        with suppress(libvirt.libvirtError), self.connection() as connection:
            return bool(connection.networkLookupByName("default").isActive())
        return False

    def _enter(self) -> list[str]:
        first = self._first()
        if first is None:
            raise LabError(f"host {self.name} is down")
        return ["nsenter", "--target", str(first), "--mount", "--uts", "--net", "--pid", "--"]

    def _first(self) -> int | None:
        """The first process of the host's pid namespace: the keeper's child."""
        keeper = self.keeper
        if keeper is None:
            return None
        children = Path(f"/proc/{keeper}/task/{keeper}/children")
        with suppress(OSError):
            return next((int(pid) for pid in children.read_text().split()), None)
        return None

    def _pids(self) -> list[int]:
        """Every process of the host."""
        first = self._first()
        if first is None:
            return []
        own = _pid_namespace(first)
        return [pid for pid in _all_pids() if _pid_namespace(pid) == own]

    def _wait_for(self, condition: Callable[[], bool], what: str, log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        pause = selectors.DefaultSelector()
        kept = time.monotonic()
        while not condition():
            # While a process becomes another program, for a moment nobody can read its arguments.
            if self.keeper is not None:
                kept = time.monotonic()
            if time.monotonic() > min(deadline, kept + GONE_SECONDS):
                said = log.read_text(errors="replace").strip()[-1000:] if log.exists() else ""
                raise LabError(f"host {self.name}: {what} did not come up. Its log says: {said or 'nothing'}")
            pause.select(0.05)


def keepers(folder: Path) -> list[int]:
    """The keepers of a host's folder, or of all hosts below a lab's."""
    wanted = re.compile(rf"{re.escape(str(folder))}(/[^/]+)*")
    found = []
    for pid in _all_pids():
        program, *rest = _arguments(pid).split("\0")
        # Whichever checkout started it: its script need not be ours.
        is_keeper = program in ("setsid", "unshare") and any(word.endswith("/lab/host.sh") for word in rest)
        if is_keeper and any(map(wanted.fullmatch, rest)):
            found.append(pid)
    return found


def _wire(pid: int | None) -> str:
    """Connect the network namespace of a process with ours; its address on the wire, which is its ``eth0``.

    The name of our end is the claim to its network: there can be but one. With the namespace the wire is gone.
    """
    for number, network in enumerate(_WIRES.subnets(new_prefix=30)):
        ours, theirs = network.hosts()
        name = f"vslab{number}"
        made = _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        if "File exists" in made:
            continue
        said = made or _ip("address", "add", f"{ours}/30", "dev", name) or _ip("link", "set", name, "up")
        if said:
            raise LabError(f"a wire to the host cannot be made: {said}")
        return str(theirs)
    raise LabError(f"no network is free in {_WIRES}")


def _ip(*arguments: str) -> str:
    """What ``ip`` complains of; nothing where it did as it was told."""
    answer = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    return (answer.stderr.strip() or "failed") if answer.returncode else ""


def end(pid: int) -> None:
    """Kill a process and wait until it is gone."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
            waiting = selectors.DefaultSelector()
            waiting.register(descriptor, selectors.EVENT_READ)
            waiting.select(10)
        finally:
            os.close(descriptor)


def _forget_cgroups(guest: str) -> None:
    """Remove the control groups that a guest of this name left when its host was killed: they go on counting there.

    The kernel removes none that has a process in it.
    """
    for hierarchy in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").glob("*/")):
        for group in (hierarchy / "machine").glob(f"qemu-*-{guest}.libvirt-qemu"):
            for folder in (*group.glob("*/"), group):
                with suppress(OSError):
                    folder.rmdir()


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _arguments(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return ""


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    return ""


def _pid_namespace(pid: int) -> str:
    with suppress(OSError):
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    return ""
