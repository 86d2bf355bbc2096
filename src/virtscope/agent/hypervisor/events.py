"""What libvirt tells by itself, and what each event is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from virtscope import codes
from virtscope.agent.hypervisor.library import libvirt
from virtscope.sample import now_ms


@dataclass(frozen=True, slots=True)
class HypervisorEvent:
    """Something libvirt told by itself."""

    at: int
    """When we heard of it, Unix ms: libvirt does not say when it happened."""
    domain: str
    kind: str
    detail: str


def register(connection: Any, on_event: Callable[[HypervisorEvent], None]) -> None:
    """Have a connection tell what happens, in libvirt's own thread.

    Raises:
        libvirt.libvirtError: its driver has no events.
    """

    def tell(domain: Any, kind: str, detail: str) -> None:
        on_event(HypervisorEvent(now_ms(), domain.UUIDString(), kind, detail))

    def lifecycle(_connection: object, domain: Any, event: int, detail: int, _opaque: object) -> None:
        tell(domain, *codes.lifecycle(event, detail))

    def other(_connection: object, domain: Any, *details: Any) -> None:
        *found, (kind, describe) = details
        tell(domain, kind, describe(*found))

    add = connection.domainEventRegisterAny
    add(None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle, None)
    for event, meaning in _EVENTS.items():
        # A driver that does not raise this one is read all the same.
        with suppress(libvirt.libvirtError):
            add(None, event, other, meaning)


def _nothing(*_details: object) -> str:
    return ""


def _words(*details: object) -> str:
    return " ".join(str(detail) for detail in details if detail not in (None, ""))


GUEST_AGENT, BALLOON = "guest agent", "balloon changed"
"""The kinds of two events: a guest's agent came or went; the balloon leaves the guest another amount of memory."""

_EVENTS: Mapping[int, tuple[str, Callable[..., str]]] = {
    libvirt.VIR_DOMAIN_EVENT_ID_REBOOT: ("rebooted", _nothing),
    libvirt.VIR_DOMAIN_EVENT_ID_WATCHDOG: ("watchdog", codes.watchdog),
    libvirt.VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON: (
        "I/O error",
        lambda source, alias, action, reason: _words(alias, source, codes.io_error(action), reason),
    ),
    libvirt.VIR_DOMAIN_EVENT_ID_CONTROL_ERROR: ("control error", _nothing),
    libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE: (BALLOON, lambda kib: f"{kib} KiB"),
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_ADDED: ("device added", _words),
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED: ("device removed", _words),
    libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVAL_FAILED: ("device removal failed", _words),
    libvirt.VIR_DOMAIN_EVENT_ID_METADATA_CHANGE: ("metadata changed", lambda _kind, namespace: _words(namespace)),
    libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_JOB_2: (
        "block job",
        lambda disk, kind, status: _words(disk, *codes.block_job(kind, status)),
    ),
    libvirt.VIR_DOMAIN_EVENT_ID_BLOCK_THRESHOLD: (
        "block threshold",
        lambda disk, path, threshold, excess: _words(disk, path, f"{threshold} B exceeded by {excess} B"),
    ),
    libvirt.VIR_DOMAIN_EVENT_ID_TUNABLE: (
        "tunable changed",
        lambda found: ", ".join(f"{name.partition('.')[2] or name} {value}" for name, value in found.items()),
    ),
    libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE: (GUEST_AGENT, codes.guest_agent),
    libvirt.VIR_DOMAIN_EVENT_ID_MIGRATION_ITERATION: ("migration", lambda number: f"iteration {number}"),
    libvirt.VIR_DOMAIN_EVENT_ID_JOB_COMPLETED: ("job completed", lambda *_details: ""),
    libvirt.VIR_DOMAIN_EVENT_ID_DISK_CHANGE: (
        "medium changed",
        lambda old, new, alias, _reason: _words(alias, old or "nothing", "→", new or "nothing"),
    ),
    libvirt.VIR_DOMAIN_EVENT_ID_PMSUSPEND: ("suspended", lambda _reason: "by the guest, to memory"),
    libvirt.VIR_DOMAIN_EVENT_ID_PMSUSPEND_DISK: ("suspended", lambda _reason: "by the guest, to disk"),
    libvirt.VIR_DOMAIN_EVENT_ID_PMWAKEUP: ("resumed", lambda _reason: "woken up"),
    libvirt.VIR_DOMAIN_EVENT_ID_MEMORY_FAILURE: (
        "memory failure",
        lambda recipient, action, _flags: _words(*codes.memory_failure(recipient, action)),
    ),
}
"""What each event is called, and how its arguments read."""
