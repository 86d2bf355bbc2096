"""The host's own figures: CPU and memory from libvirt, and from ``/proc`` what only the host itself can read.

Sources: ``virNodeGetCPUStats``, ``virNodeGetMemoryStats``; proc_meminfo(5), proc_loadavg(5), and the kernel's
``Documentation/accounting/psi.rst``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from virtscope.catalogue import Scope, metrics_of
from virtscope.sample import Row, Value

PROC = Path("/proc")


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


def from_proc(proc: Path = PROC) -> dict[str, Value]:
    """What ``/proc`` of this machine tells beyond libvirt; a file that is not there leaves its figures unknown."""
    return {**_memory(proc / "meminfo"), **_load(proc / "loadavg"), **_pressure(proc / "pressure")}


def is_this_machine(memory: Mapping[str, int], proc: Path = PROC) -> bool:
    """Whether libvirt describes the machine whose ``/proc`` we read: a socket may be forwarded from afar."""
    total = _meminfo(proc / "meminfo").get("MemTotal")
    return total is not None and total == memory.get("total")


def _memory(path: Path) -> dict[str, Value]:
    figures = _meminfo(path)
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
