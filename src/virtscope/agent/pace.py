"""How often a host is read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a host is read, seconds."""

    interval: float
    """Between two readings of the kernel's counters; of everything where only libvirt can be asked."""
    libvirt: float
    """Between two questions to libvirt where the kernel lane runs beside them."""
    kernel_lane: bool = True
    """Whether the kernel may be asked at all: without it every sample is whole."""
    slow: float = 60.0
    """Between two rounds of the slow lane."""

    @classmethod
    def of(cls, interval: float) -> Pace:
        """The usual: libvirt is asked every third time."""
        return cls(interval, interval * 3)
