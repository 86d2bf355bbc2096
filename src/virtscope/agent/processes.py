"""The emulators of this machine: which process runs which domain, and the kernel's files that tell of it.

A process is told from another that got its pid later by its start time. Everything here may be read by any user, of
another user's process too. Sources: proc(5), and the kernel's ``Documentation/scheduler/sched-stats.rst`` (schedstat:
ns on a CPU, ns waited for one) and ``Documentation/admin-guide/cgroup-v2.rst`` (cpu.stat).
"""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

PROC = Path("/proc")
DESCRIPTORS = 65_536
"""Files that may be open: a few for each vCPU. The units allow as many; a shell's usual 1,024 are soon used up."""

_VCPU = re.compile(rb"CPU (\d+)/")
_IOTHREAD = re.compile(rb"IO iothread(\d+)")
_PARTS = re.compile(r"(/libvirt)?/(emulator|vcpu\d+|iothread\d+)$")
"""The cgroups into which libvirt divides a domain's."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """One domain's process, with descriptors that stay open: reading them again costs a few microseconds."""

    pid: int
    started: str
    """Field 22 of ``/proc/PID/stat``: together with the pid it names a process once and for all."""
    cpu: int | None
    """Descriptor of the cgroup's CPU figures; None where it has no cgroup of its own."""
    vcpus: dict[int, int] = field(default_factory=dict)
    """vCPU index to the descriptor of its thread's schedstat."""
    waits: dict[int, int] = field(default_factory=dict)
    """vCPU index to the descriptor of its thread's ``sched``, where this kernel counts the waiting for I/O."""
    iothreads: dict[int, int] = field(default_factory=dict)
    """I/O thread to the descriptor of its schedstat."""
    threads: int = 0
    """How many threads it had when this was made: vCPUs come and go."""

    def close(self) -> None:
        """Let the descriptors go."""
        for descriptor in (*self.vcpus.values(), *self.waits.values(), *self.iothreads.values()):
            os.close(descriptor)
        if self.cpu is not None:
            os.close(self.cpu)


def allow_descriptors() -> None:
    """Let this process have as many descriptors as it may, up to ``DESCRIPTORS``."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def find(domains: Iterable[str], proc: Path = PROC) -> dict[str, int]:
    """The pid of each of these domains (by UUID) that has a process on this machine."""
    wanted = {domain.encode(): domain for domain in domains}
    found: dict[str, int] = {}
    for entry in os.scandir(proc) if wanted else ():
        if not wanted or not entry.name.isdigit():
            continue
        words = _read(f"{entry.path}/cmdline").split(b"\0")
        # QEMU is told the UUID of its guest: -uuid 6a3c…
        for option, value in pairwise(words):
            if option == b"-uuid" and value in wanted:
                found[wanted.pop(value)] = int(entry.name)
    return found


def open_emulator(pid: int, proc: Path = PROC) -> Emulator | None:
    """A process with its threads' figures opened; None where it is gone."""
    folder = proc / str(pid)
    started = start_time(pid, proc)
    if started is None:
        return None
    vcpus: dict[int, int] = {}
    waits: dict[int, int] = {}
    iothreads: dict[int, int] = {}
    # Off unless somebody asked for it (kernel.sched_schedstats): the waiting for I/O is unknown then, not 0.
    wanted = [(_VCPU, "schedstat", vcpus), (_IOTHREAD, "schedstat", iothreads)]
    if _read(f"{proc}/sys/kernel/sched_schedstats").strip() == b"1":
        wanted.append((_VCPU, "sched", waits))
    count = threads(pid, proc)
    for task in _names(f"{folder}/task"):
        name = _read(f"{folder}/task/{task}/comm")
        for pattern, file, opened in wanted:
            match = pattern.match(name)
            descriptor = _open(f"{folder}/task/{task}/{file}") if match else None
            if match and descriptor is not None:
                opened[int(match[1])] = descriptor
    return Emulator(pid, started, _open_cpu_figures(folder, proc), vcpus, waits, iothreads, count)


def start_time(pid: int, proc: Path = PROC) -> str | None:
    """When a process started, in clock ticks since boot; None where it is gone."""
    fields = _read(f"{proc}/{pid}/stat").rpartition(b")")[2].split()
    return fields[19].decode() if len(fields) > 19 else None


def threads(pid: int, proc: Path = PROC) -> int:
    """How many threads a process has; 0 where it is gone. A folder has a link more for each folder in it."""
    try:
        return os.stat(f"{proc}/{pid}/task").st_nlink - 2  # noqa: PTH116  # for every domain at every tick
    except OSError:
        return 0


def cpu_ns(figures: bytes) -> tuple[int, int | None, int | None]:
    """CPU time, user and system time in ns, from ``cpu.stat`` (cgroup v2) or ``cpuacct.usage`` (v1, one number)."""
    words = figures.split(None, 6)
    if len(words) < 6:
        return int(words[0]), None, None
    return int(words[1]) * 1000, int(words[3]) * 1000, int(words[5]) * 1000


def iowait_ns(figures: bytes) -> int | None:
    """Time waited for I/O in ns, from ``sched`` (in ms there: ``stats.iowait_sum : 12.345678``)."""
    line = figures.partition(b"iowait_sum")[2].partition(b"\n")[0]
    milliseconds, _, rest = line.rpartition(b":")[2].strip().partition(b".")
    return int(milliseconds) * 1_000_000 + int(rest or b"0") if milliseconds.isdigit() else None


def process_clock(pid: int) -> int:
    """The id of the kernel's clock of a process's CPU time, ns, all threads that ever were (clock_getcpuclockid(3))."""
    return (~pid << 3) | 2


def _open_cpu_figures(folder: Path, proc: Path) -> int | None:
    """The CPU figures of the domain's cgroup: they count what the kernel does for it (vhost) too."""
    for line in _read(f"{folder}/cgroup").decode(errors="replace").splitlines():
        number, controllers, path = line.split(":", 2)
        domain = _PARTS.sub("", path)
        if "qemu" not in domain and "lxc" not in domain:
            continue  # the cgroup of a whole user or service tells nothing of one domain
        wanted = "cpu.stat" if number == "0" else "cpuacct.usage" if "cpuacct" in controllers.split(",") else None
        for mount in _mounts(proc, unified=number == "0") if wanted else ():
            descriptor = _open(f"{mount}{domain}/{wanted}")
            if descriptor is not None:
                return descriptor
    return None


def _mounts(proc: Path, *, unified: bool) -> list[str]:
    """Where a hierarchy of cgroups is mounted: v2's, or v1's that accounts CPU time."""
    found = []
    for line in _read(f"{proc}/self/mountinfo").decode(errors="replace").splitlines():
        before, _, after = line.partition(" - ")
        kind, _source, options = [*after.split(" "), "", ""][:3]
        if kind == "cgroup2" if unified else kind == "cgroup" and "cpuacct" in options.split(","):
            found.append(before.split(" ")[4])
    return found


def _names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  # a thousand times a scan
    except OSError:
        return []


def _open(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123  # a thousand times a scan: Path costs more than the reading
            return file.read()
    except OSError:
        return b""
