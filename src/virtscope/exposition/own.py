"""What a program tells of itself: every figure is declared here once, for ``/metrics`` and for the docs."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from virtscope import __version__
from virtscope.exposition.families import Family, Number
from virtscope.exposition.labels import labels

Told: TypeAlias = Mapping[str, Number | Mapping[str, Number] | None]
"""Values by the names of figures: one, or one for each set of labels. What is None or missing is not known."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One of a program's own figures."""

    name: str
    help: str
    label: str = ""
    """What tells its series apart, where there are several."""

    @property
    def kind(self) -> str:
        """``counter`` or ``gauge``, as its name says."""
        return "counter" if self.name.endswith("_total") else "gauge"


PROCESS = (
    Figure("virtscope_build_info", "The version that runs.", "version"),
    Figure("virtscope_process_cpu_seconds_total", "CPU time of the process."),
    Figure("virtscope_process_resident_memory_bytes", "Memory of the process."),
    Figure("virtscope_process_open_fds", "Descriptors that it has open."),
    Figure("virtscope_process_threads", "Its threads."),
)
AGENT = (
    Figure("virtscope_spool_bytes", "What the spool takes on the disk."),
    Figure("virtscope_spool_limit_bytes", "What it may take."),
    Figure("virtscope_spool_waiting_batches", "Batches that the server has not stored yet."),
    Figure("virtscope_spool_waiting_bytes", "Their bytes."),
    Figure("virtscope_spool_oldest_timestamp_seconds", "When the oldest of them was made; 0 where none waits."),
    Figure("virtscope_spool_dropped_batches_total", "Batches that were lost since the spool exists."),
    Figure("virtscope_spool_refused_batches_total", "Batches that the server refused for good."),
    Figure("virtscope_spool_damaged_segments_total", "Files of the spool that were found damaged."),
    Figure("virtscope_spool_failing", "1 while the disk does not take what should be spooled."),
    Figure("virtscope_delivery_successes_total", "Deliveries that the server has answered well."),
    Figure("virtscope_delivery_failures_total", "Deliveries that it has not."),
    Figure("virtscope_delivery_last_success_timestamp_seconds", "When it last did; 0 is never."),
    Figure("virtscope_delivery_failing", "1 while the server takes nothing."),
    Figure("virtscope_remote_write_waiting_batches", "Batches that are not written to the receiver yet."),
    Figure("virtscope_remote_write_oldest_timestamp_seconds", "When the oldest of them was made; 0 where none waits."),
    Figure("virtscope_remote_write_dropped_batches_total", "Batches that were lost before they were written."),
    Figure("virtscope_remote_write_refused_batches_total", "Batches that the receiver refused for good."),
    Figure("virtscope_remote_write_successes_total", "Requests that the receiver has answered well."),
    Figure("virtscope_remote_write_failures_total", "Requests that it has not."),
    Figure("virtscope_remote_write_last_success_timestamp_seconds", "When it last did; 0 is never."),
    Figure("virtscope_remote_write_failing", "1 while nothing can be written."),
    Figure("virtscope_clock_offset_seconds", "How far the server's clock is ahead of this one's."),
    Figure("virtscope_certificate_expiry_timestamp_seconds", "Until when the agent's certificate is good."),
)
SERVER = (
    Figure("virtscope_ingest_commits_total", "Transactions that are durable."),
    Figure("virtscope_ingest_batches_total", "Batches stored in them."),
    Figure("virtscope_ingest_seconds_total", "Time spent in them."),
    Figure("virtscope_ingest_dropped_batches_total", "Batches of the server's own collectors that were lost."),
    Figure("virtscope_ingest_failing", "1 while the store takes nothing."),
    Figure("virtscope_intake_deliveries_total", "Deliveries of agents that were answered well."),
    Figure("virtscope_intake_frames_total", "Batches in them."),
    Figure("virtscope_intake_bytes_total", "Their bytes on the wire."),
    Figure("virtscope_intake_duplicates_total", "Batches that were stored already."),
    Figure("virtscope_intake_refused_total", "Batches that were refused for good."),
    Figure("virtscope_intake_put_off_total", "Deliveries that were asked to come later."),
    Figure("virtscope_intake_memory_bytes", "Memory that deliveries under way take, about."),
    Figure("virtscope_intake_memory_limit_bytes", "What they may take."),
    Figure("virtscope_store_hot_bytes", "The file of the newest hours with its log."),
    Figure("virtscope_store_archived_bytes", "The archive's files.", "level"),
    Figure("virtscope_store_free_bytes", "What is free on the disk of the data folder."),
    Figure("virtscope_store_quarantined", "1 while a damaged file lies in quarantine."),
    Figure("virtscope_agents", "Agents that may deliver."),
    Figure("virtscope_agent_last_heard_timestamp_seconds", "When an agent's last delivery came.", "agent"),
    Figure("virtscope_agent_lag_seconds", "How old an agent's newest stored sample is.", "agent"),
    Figure("virtscope_agent_backlog_batches", "Batches that wait on an agent's host.", "agent"),
    Figure("virtscope_agent_backlog_bytes", "Their bytes.", "agent"),
    Figure("virtscope_agent_clock_offset_seconds", "How far an agent's clock is ahead of the server's.", "agent"),
    Figure("virtscope_agent_dropped_batches_total", "Batches that an agent has lost.", "agent"),
)
_DECLARED = {figure.name: figure for figure in (*PROCESS, *AGENT, *SERVER)}


def families(told: Told) -> tuple[Family, ...]:
    """What is known, as families.

    Raises:
        KeyError: a value of a figure that is not declared.
    """
    return tuple(_families(told))


def _families(told: Told) -> Iterator[Family]:
    for name, value in told.items():
        figure = _DECLARED[name]
        if value is None:
            continue
        if isinstance(value, Mapping):
            series = {labels(**{figure.label: key}): number for key, number in value.items()}
        else:
            series = {"": value}
        if series:
            yield Family(name, figure.kind, figure.help, series)


def readings(told: Told) -> Iterator[tuple[Figure, str | None, float]]:
    """What is known, one by one: the figure, what it is of (None: of the program), and its value."""
    for name, value in told.items():
        if isinstance(value, Mapping):
            for key, number in value.items():
                yield _DECLARED[name], key, number
        elif value is not None:
            yield _DECLARED[name], None, value


def process() -> Told:
    """This process's own figures."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "virtscope_build_info": {__version__: 1},
        "virtscope_process_cpu_seconds_total": used.ru_utime + used.ru_stime,
        "virtscope_process_resident_memory_bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "virtscope_process_open_fds": len(os.listdir("/proc/self/fd")),  # noqa: PTH208  # a name each is not needed
        "virtscope_process_threads": len(os.listdir("/proc/self/task")),  # noqa: PTH208
    }
