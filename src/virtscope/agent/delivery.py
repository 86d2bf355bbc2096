"""Delivery to a server: forwarder, spool, shipper and the renewal of the certificate, begun and ended as one."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from virtscope.agent.enrolment.identity import Identity
from virtscope.agent.enrolment.renewal import Renewal
from virtscope.agent.forwarder import Forwarder
from virtscope.agent.shipper import Progress, Shipper
from virtscope.agent.spool import Limits, Spool, State
from virtscope.agent.transport import Https
from virtscope.sample import Batch

FOLDER = "spool"
"""Below the agent's state folder."""
STOP_SECONDS = 3.0
"""For what is queued to be spooled, and then for what is spooled to be sent."""


class Sink(Protocol):
    """Where batches go."""

    def put(self, batch: Batch) -> None:
        """Take over one batch."""


@dataclass(frozen=True, slots=True)
class Everyone:
    """Several sinks as one."""

    sinks: Sequence[Sink]

    def put(self, batch: Batch) -> None:
        """Hand a batch to each."""
        for sink in self.sinks:
            sink.put(batch)


class Delivery:
    """The sink whose batches go to a server."""

    def __init__(
        self, identity: Identity, state: Path, limits: Limits, resync: Callable[[], None], metrics: str = ""
    ) -> None:
        """Start.

        Args:
            identity: who the agent is, and to whom.
            state: the agent's folder.
            limits: what the spool may take.
            resync: called when the server has forgotten what exists.
            metrics: where the agent's ``/metrics`` is (see ``wire.Delivery``).

        Raises:
            SpoolError: another agent has the spool, or it cannot be used.
            EnrolmentError: the identity cannot be used.
        """
        self.where = f"agent {identity.name} of {identity.server}"
        self.words = f"delivers to {identity.server} as {identity.name}"
        self._limits = limits
        self._context = _Context(identity)
        self._spool = Spool(state / FOLDER, limits)
        self._shipper = Shipper(self._spool, Https(identity.server, self._context.get), resync, metrics=metrics)
        self._forwarder = Forwarder(self._spool, self._shipper.wake)
        self._renewal = Renewal(identity, self._context.renewed)

    def put(self, batch: Batch) -> None:
        """Take over one batch; never waits."""
        self._forwarder.put(batch)

    @property
    def state(self) -> State:
        """How the spool fares."""
        return self._spool.state()

    @property
    def progress(self) -> Progress:
        """How shipping goes."""
        return self._shipper.progress

    @property
    def problem(self) -> str | None:
        """What an operator should know: why nothing can be spooled, delivered or renewed."""
        late = ", ".join(self.late())
        return (
            self._spool.state().problem
            or self._forwarder.problem
            or (f"a thread has ended: {late}" if late else None)
            or self._shipper.progress.problem
            or self._renewal.problem
        )

    def figures(self) -> dict[str, float]:
        """What it tells of itself, by the names of ``exposition.own``."""
        spool, progress = self._spool.state(), self._shipper.progress
        figures: dict[str, float] = {
            "virtscope_spool_bytes": spool.size,
            "virtscope_spool_limit_bytes": self._limits.size,
            "virtscope_spool_waiting_batches": spool.waiting,
            "virtscope_spool_waiting_bytes": spool.waiting_bytes,
            "virtscope_spool_oldest_timestamp_seconds": spool.oldest / 1000,
            "virtscope_spool_dropped_batches_total": spool.dropped,
            "virtscope_spool_refused_batches_total": spool.refused,
            "virtscope_spool_damaged_segments_total": spool.damaged,
            "virtscope_spool_failing": int(spool.problem is not None),
            "virtscope_delivery_successes_total": progress.delivered,
            "virtscope_delivery_failures_total": progress.failed,
            "virtscope_delivery_last_success_timestamp_seconds": progress.last_success / 1000,
            "virtscope_delivery_failing": int(progress.problem is not None),
            "virtscope_certificate_expiry_timestamp_seconds": self._renewal.identity.expires,
        }
        if progress.clock_offset is not None:
            figures["virtscope_clock_offset_seconds"] = progress.clock_offset
        return figures

    def late(self) -> tuple[str, ...]:
        """Which of its threads have ended though they should not."""
        return tuple(
            name for name, one in (("forwarder", self._forwarder), ("shipper", self._shipper)) if not one.beats
        )

    def stop(self) -> None:
        """Spool everything, send what goes quickly, and end."""
        self._renewal.stop()
        self._forwarder.stop(STOP_SECONDS)
        self._shipper.stop(STOP_SECONDS)
        self._spool.close()


class _Context:
    """The TLS context of the newest certificate; connections are made anew when it is another one."""

    def __init__(self, identity: Identity) -> None:
        self._guard = threading.Lock()
        self._current = identity.context()

    def get(self) -> ssl.SSLContext:
        with self._guard:
            return self._current

    def renewed(self, identity: Identity) -> None:
        context = identity.context()
        with self._guard:
            self._current = context
