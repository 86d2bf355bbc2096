"""What belongs to one open connection of a collector, and ends with it."""

from __future__ import annotations

from dataclasses import dataclass

from virtscope.agent.guest_lane import GuestLane
from virtscope.agent.hypervisor import Hypervisor
from virtscope.agent.kernel_thread import KernelThread
from virtscope.agent.lane import Lane, close_after
from virtscope.agent.libvirt_lane import LibvirtLane
from virtscope.agent.slices import Slices
from virtscope.agent.slow_lane import SlowLane
from virtscope.sample import HostFacts


@dataclass(frozen=True, slots=True)
class Session:
    """Everything that belongs to one open connection."""

    hypervisor: Hypervisor
    lane: Lane
    host: HostFacts
    slices: Slices
    libvirt: LibvirtLane
    slow: SlowLane
    kernel: KernelThread | None
    """Only where the hypervisor may be this machine."""
    guests: GuestLane | None
    """Only where the operator allows to write."""

    def close(self) -> None:
        """Close everything, without waiting for calls that hang."""
        if self.kernel is not None:
            self.kernel.stop()
        self.slices.close()
        if self.guests is not None:
            self.guests.close()
        close_after([self.lane, self.slow.lane], self.hypervisor.close)
