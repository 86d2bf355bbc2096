"""What a lab is made of: hosts, their guests, and the load that each guest makes."""

from __future__ import annotations

import re
from dataclasses import dataclass

LOADS = {
    "idle": "nothing",
    "cpu:PERCENT[:VCPUS]": "keeps so many vCPUs (1) busy for PERCENT of the time",
    "write:KIB[:DISK]": "writes KIB KiB/s to a disk (vda) in requests of 16 KiB, past the guest's cache",
    "read:KIB[:DISK]": "reads KIB KiB/s from a disk (vda) likewise",
    "net:PACKETS[:BYTES]": "sends PACKETS packets/s with BYTES (1400) bytes of load, and receives as many back",
    "memory:MIB": "keeps MIB MiB of memory in use",
}
"""Every load, and what it does."""

_LOAD = re.compile(r"idle|cpu:\d{1,3}(:\d{1,2})?|(write|read):\d{1,6}(:vd[a-z])?|net:\d{1,4}(:\d{1,5})?|memory:\d{1,4}")


@dataclass(frozen=True, slots=True)
class GuestSpec:
    """A guest to be."""

    name: str
    loads: tuple[str, ...] = ("idle",)
    """Each as in LOADS."""
    vcpus: int = 1
    memory_mib: int = 96
    disks: int = 1
    filter: str = ""
    """The nwfilter of its interface, which gets the guest's address as IP; none where empty."""
    title: str = ""
    project: str = "demo"
    owner: str = "alice"
    flavor: str = "m1.tiny"
    agent: bool = False
    """Whether QEMU's guest agent runs in it, and its first disk has a file system, mounted on /data."""
    started: bool = True

    def __post_init__(self) -> None:
        """Refuse a load that no guest understands."""
        for load in self.loads:
            if not _LOAD.fullmatch(load):
                raise ValueError(f"guest {self.name}: unknown load {load!r}; known are {', '.join(LOADS)}")


@dataclass(frozen=True, slots=True)
class HostSpec:
    """A host to be, with its guests, and with so many paused domains that only take up room."""

    name: str
    guests: tuple[GuestSpec, ...] = ()
    bare: int = 0
    bare_devices: int = 1
    """Disks, and interfaces, of each of those."""
    listens: bool = False
    """Whether it is reached over the network too, by SSH, TLS and TCP."""
