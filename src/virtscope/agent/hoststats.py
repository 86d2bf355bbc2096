"""The host's own figures: CPU and memory from libvirt, and from ``/proc`` what only the host itself can read.

Sources: ``virNodeGetCPUStats``, ``virNodeGetMemoryStats``; proc_meminfo(5), proc_loadavg(5), and the kernel's
``Documentation/accounting/psi.rst``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from virtscope.catalogue import Scope, metrics_of
from virtscope.sample import Row, Value

PROC = Path("/proc")
_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
"""Nanoseconds of one clock tick, the unit of ``/proc/stat``."""


def row(figures: Mapping[str, Value]) -> Row:
    """The host's row, out of the figures by the names that the catalogue gives their sources."""
    return tuple(figures.get(metric.source) for metric in metrics_of(Scope.HOST))


def from_libvirt(cpu: Mapping[str, int], memory: Mapping[str, int], cpus: int | None) -> dict[str, Value]:
    """What libvirt tells of any host: CPU times in ns, memory in KiB."""
    return {
        "cpu.user": cpu.get("user"),
        "cpu.system": cpu.get("kernel"),
        "cpu.idle": cpu.get("idle"),
        "cpu.iowait": cpu.get("iowait"),
        "cpus": cpus,
        "memory.total": memory.get("total"),
        "memory.free": memory.get("free"),
        "memory.buffers": memory.get("buffers"),
        "memory.cached": memory.get("cached"),
    }


def from_this_machine(proc: Path = PROC) -> dict[str, Value]:
    """Everything that ``/proc`` of this machine tells, without libvirt."""
    memory = _meminfo(proc / "meminfo")
    return {
        **_cpu(proc / "stat"),
        "memory.total": memory.get("MemTotal"),
        "memory.free": memory.get("MemFree"),
        "memory.buffers": memory.get("Buffers"),
        "memory.cached": memory.get("Cached"),
        **_memory(memory),
        **_load(proc / "loadavg"),
        **_pressure(proc / "pressure"),
    }


def from_proc(proc: Path = PROC) -> dict[str, Value]:
    """What ``/proc`` of this machine tells beyond libvirt; a file that is not there leaves its figures unknown."""
    return {**_memory(_meminfo(proc / "meminfo")), **_load(proc / "loadavg"), **_pressure(proc / "pressure")}


def is_this_machine(memory: Mapping[str, int], proc: Path = PROC) -> bool:
    """Whether libvirt describes the machine whose ``/proc`` we read: a socket may be forwarded from afar."""
    total = _meminfo(proc / "meminfo").get("MemTotal")
    return total is not None and total == memory.get("total")


def _cpu(path: Path) -> dict[str, Value]:
    """CPU times in ns, as libvirt adds them up: its ``kernel`` holds the interrupts; ``cpus`` are those online."""
    lines = _lines(path)
    if not lines:
        return {}
    user, nice, system, idle, iowait, irq, softirq = (int(word) * _TICK for word in lines[0].split()[1:8])
    return {
        "cpu.user": user + nice,
        "cpu.system": system + irq + softirq,
        "cpu.idle": idle,
        "cpu.iowait": iowait,
        "cpus": sum(line.startswith("cpu") for line in lines) - 1,
    }


def _memory(figures: Mapping[str, int]) -> dict[str, Value]:
    return {
        "memory.available": figures.get("MemAvailable"),
        "swap.total": figures.get("SwapTotal"),
        "swap.free": figures.get("SwapFree"),
    }


def _meminfo(path: Path) -> dict[str, int]:
    return {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in _lines(path)) if rest}


def _load(path: Path) -> dict[str, Value]:
    words = " ".join(_lines(path)).split()
    return {f"load.{minutes}": round(float(word) * 100) for minutes, word in zip((1, 5, 15), words, strict=False)}


def _pressure(folder: Path) -> dict[str, Value]:
    """Totals in µs, out of lines such as ``some avg10=0.00 avg60=0.00 avg300=0.00 total=2809976``."""
    return {
        f"pressure.{resource}.{line.split()[0]}": int(line.rpartition("total=")[2])
        for resource in ("cpu", "memory", "io")
        for line in _lines(folder / resource)
    }


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []  # an older kernel, or pressure accounting switched off
