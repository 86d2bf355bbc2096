"""The connection to one hypervisor: read-only and kept open, or read-write for the few things that take it.

Nothing outside of this package knows libvirt.
"""

from virtscope.agent.hypervisor.events import BALLOON, GUEST_AGENT, HypervisorEvent
from virtscope.agent.hypervisor.library import library_version
from virtscope.agent.hypervisor.reading import DomainRecord, Hypervisor
from virtscope.agent.hypervisor.writing import Guest, WriteConnection

__all__ = [
    "BALLOON",
    "GUEST_AGENT",
    "DomainRecord",
    "Guest",
    "Hypervisor",
    "HypervisorEvent",
    "WriteConnection",
    "library_version",
]
