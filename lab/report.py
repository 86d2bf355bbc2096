"""The witness: a guest's own counters, as its init printed them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_LINE = re.compile(r"REPORT up=(\S+) cpu=(\S+) disks=(\S*) nics=(\S*) memory=(\S*) END")
_JIFFIES = 100
"""USER_HZ: /proc/stat counts in hundredths of a second."""


@dataclass(frozen=True, slots=True)
class DiskReport:
    """A disk's counters since boot."""

    read_requests: int
    read_bytes: int
    write_requests: int
    write_bytes: int


@dataclass(frozen=True, slots=True)
class NicReport:
    """An interface's counters since boot."""

    receive_bytes: int
    receive_packets: int
    transmit_bytes: int
    transmit_packets: int


@dataclass(frozen=True, slots=True)
class GuestReport:
    """Everything that a guest said at one moment."""

    uptime: float
    """Seconds since boot."""
    busy: float
    """Seconds that its vCPUs were busy, together: neither idle, nor waiting for I/O, nor stolen by the host."""
    disks: Mapping[str, DiskReport]
    nics: Mapping[str, NicReport]
    memory: Mapping[str, int]
    """Figures of /proc/meminfo, KiB."""


def parse(line: str) -> GuestReport | None:
    """The report in a line; None for any other line, and for one that is not complete yet."""
    found = _LINE.search(line)
    if found is None:
        return None
    # user nice system idle iowait irq softirq steal guest guest_nice; user includes guest (proc_stat(5)).
    times = [int(word) for word in found[2].split(":")]
    return GuestReport(
        uptime=float(found[1]),
        busy=sum(times[at] for at in (0, 1, 2, 5, 6)) / _JIFFIES,
        disks={name: DiskReport(*map(int, counters)) for name, *counters in _items(found[3])},
        nics={name: NicReport(*map(int, counters)) for name, *counters in _items(found[4])},
        memory={name: int(value) for name, value in _items(found[5])},
    )


def reports(console: Path) -> list[GuestReport]:
    """Every complete report on a guest's console, oldest first."""
    text = console.read_text(errors="replace") if console.exists() else ""
    return [report for line in text.splitlines() if (report := parse(line)) is not None]


def _items(text: str) -> list[list[str]]:
    return [item.split(":") for item in text.split(",") if item]
