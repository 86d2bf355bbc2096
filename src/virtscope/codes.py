"""What libvirt's numbers mean: states, reasons and lifecycle events, in the words of ``virsh``.

Source: the enumerations of ``libvirt-domain.h``, whose numbers are a stable interface.
"""

from __future__ import annotations

STATES = ("unknown", "running", "idle", "paused", "in shutdown", "shut off", "crashed", "pmsuspended")
"""virDomainState."""

ACTIVE_STATES = frozenset({1, 2, 3, 4, 7})
"""The states in which a domain has a process that runs it."""

_REASONS: dict[int, tuple[str, ...]] = {
    1: ("unknown", "booted", "migrated", "restored", "from snapshot", "unpaused", "migration cancelled",
        "save cancelled", "woken up", "crashed", "post-copy", "post-copy failed"),
    3: ("unknown", "by user", "migrating", "saving", "dumping core", "I/O error", "watchdog", "from snapshot",
        "shutting down", "creating a snapshot", "crashed", "starting up", "post-copy", "post-copy failed",
        "API error"),
    4: ("unknown", "by user"),
    5: ("unknown", "shut down", "destroyed", "crashed", "migrated", "saved", "failed to start", "from snapshot",
        "daemon lost it"),
    6: ("unknown", "panicked"),
    7: ("unknown",),
}  # fmt: skip

_LIFECYCLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("defined", ("added", "updated", "renamed", "from snapshot")),
    ("undefined", ("removed", "renamed")),
    ("started", ("booted", "migrated in", "restored", "from snapshot", "woken up", "recovered")),
    ("suspended", ("paused", "migrating", "I/O error", "watchdog", "restored", "from snapshot", "API error",
                   "post-copy", "post-copy failed")),
    ("resumed", ("unpaused", "migrated", "from snapshot", "post-copy", "post-copy failed")),
    ("stopped", ("shut down", "destroyed", "crashed", "migrated out", "saved", "failed", "from snapshot",
                 "recreated")),
    ("shutdown", ("finished", "by the guest", "by the host")),
    ("suspended", ("to memory", "to disk")),
    ("crashed", ("panicked", "crash kernel loaded")),
)  # fmt: skip


_WATCHDOG = ("none", "pause", "reset", "poweroff", "shutdown", "debug", "inject NMI")
_IO_ERROR = ("ignored", "domain paused", "reported to the guest")
_BLOCK_JOBS = ("unknown", "pull", "copy", "commit", "active commit", "backup")
_BLOCK_JOB_STATUS = ("completed", "failed", "cancelled", "ready")
_GUEST_AGENT_STATES, _GUEST_AGENT_REASONS = (
    ("unknown", "connected", "disconnected"),
    ("unknown", "domain started", "channel"),
)
_MEMORY_RECIPIENTS, _MEMORY_ACTIONS = ("hypervisor", "guest"), ("ignored", "injected", "fatal", "reset")
POOL_STATES = ("inactive", "building", "running", "degraded", "inaccessible")
"""virStoragePoolState."""


def state(code: int | None) -> str:
    """The word for a virDomainState."""
    return _word(STATES, code)


def reason(state_code: int | None, reason_code: int | None) -> str | None:
    """Why a domain is in its state; None where libvirt does not say."""
    if state_code is None:
        return None
    word = _word(_REASONS.get(state_code, ()), reason_code)
    return None if word == "unknown" else word


def lifecycle(event: int, detail: int) -> tuple[str, str]:
    """The word for a lifecycle event and for its detail."""
    if not 0 <= event < len(_LIFECYCLE):
        return f"event {event}", str(detail)
    kind, details = _LIFECYCLE[event]
    return kind, details[detail] if 0 <= detail < len(details) else str(detail)


def pool_state(code: int | None) -> str:
    """The word for a virStoragePoolState."""
    return _word(POOL_STATES, code)


def watchdog(action: int) -> str:
    """What a watchdog did (virDomainEventWatchdogAction)."""
    return _word(_WATCHDOG, action)


def io_error(action: int) -> str:
    """What became of an I/O error (virDomainEventIOErrorAction)."""
    return _word(_IO_ERROR, action)


def block_job(kind: int, status: int) -> tuple[str, str]:
    """A disk's job and how it stands (virDomainBlockJobType, virConnectDomainEventBlockJobStatus)."""
    return _word(_BLOCK_JOBS, kind), _word(_BLOCK_JOB_STATUS, status)


def guest_agent(state_code: int, reason_code: int) -> str:
    """Whether a guest's agent is there, and why it changed (virConnectDomainEventAgentLifecycleState)."""
    why = _word(_GUEST_AGENT_REASONS, reason_code)
    return _word(_GUEST_AGENT_STATES, state_code) + ("" if why == "unknown" else f": {why}")


def memory_failure(recipient: int, action: int) -> tuple[str, str]:
    """Whose memory failed, and what was done (virDomainMemoryFailureRecipientType, …ActionType)."""
    return _word(_MEMORY_RECIPIENTS, recipient), _word(_MEMORY_ACTIONS, action)


def _word(words: tuple[str, ...], code: int | None) -> str:
    return words[code] if code is not None and 0 <= code < len(words) else "unknown"
