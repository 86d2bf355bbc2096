"""Every metric that the agents read, one row each.

Sources: libvirt's ``virConnectGetAllDomainStats`` reference for the domains' fields; ``proc(5)`` and the kernel's
``Documentation/accounting/psi.rst`` for the host's.
"""

from __future__ import annotations

from dataclasses import dataclass

from virtscope.catalogue.terms import Group, Kind, Scope, Unit

NS = 1e-9  # libvirt and schedstat report nanoseconds
US = 1e-6  # pressure stall totals are microseconds
KIB = 1024.0  # libvirt reports memory in KiB
MIB = 1024.0 * 1024  # libvirt reports the dirty rate in MiB/s
MS = 1e-3  # libvirt reports the times of jobs in milliseconds
CENTI = 0.01  # /proc/loadavg has two decimals


@dataclass(frozen=True, slots=True)
class Metric:
    """One raw reading. Stored as a nullable 64-bit integer; ``scale`` base units are one stored unit."""

    name: str
    """Column name, unique in its scope."""
    scope: Scope
    group: Group
    kind: Kind
    unit: Unit
    source: str
    """The field in its group's answer; ``{}`` stands for the device's index."""
    label: str
    help: str
    scale: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a unit that only a derived quantity can have."""
        if self.unit in (Unit.CORES, Unit.PER_SECOND) or (
            self.unit is Unit.BYTES_PER_SECOND and self.kind is not Kind.GAUGE
        ):
            raise ValueError(f"BUG: metric {self.name!r} is raw and cannot be a rate ({self.unit})")

    @property
    def exposition_name(self) -> str:
        """The Prometheus name: base unit in the name, ``_total`` on counters."""
        suffix = self.unit.value
        name = self.name if not suffix or self.name.endswith(suffix) else f"{self.name}_{suffix}"
        total = "_total" if self.kind is Kind.COUNTER else ""
        return f"{self.scope.exposition_prefix}_{name}{total}"


HOST, CELL, POOL, VOLUME, DOMAIN, VCPU, DISK, NIC, IOTHREAD, PERF, JOB, FILESYSTEM = Scope
STATE_GROUP, CPU_TOTAL, BALLOON, VCPU_GROUP, INTERFACE, BLOCK, IOTHREAD_GROUP, DIRTY_RATE = tuple(Group)[:8]
PERF_GROUP = Group.PERF
NODE, CELL_GROUP, STORAGE, JOB_GROUP, GUEST_AGENT = tuple(Group)[9:]
COUNTER, GAUGE, STATE = Kind
SECONDS, BYTES, COUNT, TIMESTAMP = Unit.SECONDS, Unit.BYTES, Unit.COUNT, Unit.TIMESTAMP
BYTES_PER_SECOND = Unit.BYTES_PER_SECOND

# fmt: off
METRICS: tuple[Metric, ...] = (
    # The host itself.
    Metric("cpu_user", HOST, NODE, COUNTER, SECONDS, "cpu.user", "CPU user",
           "CPU time spent in user space, guests included, all CPUs together.", NS),
    Metric("cpu_system", HOST, NODE, COUNTER, SECONDS, "cpu.system", "CPU system",
           "CPU time spent in the kernel, interrupts included.", NS),
    Metric("cpu_idle", HOST, NODE, COUNTER, SECONDS, "cpu.idle", "CPU idle",
           "CPU time with nothing to do.", NS),
    Metric("cpu_iowait", HOST, NODE, COUNTER, SECONDS, "cpu.iowait", "CPU I/O wait",
           "CPU time idle while a disk was being waited for.", NS),
    Metric("cpus", HOST, NODE, GAUGE, COUNT, "cpus", "CPUs",
           "Logical CPUs that are online."),
    Metric("memory_total", HOST, NODE, GAUGE, BYTES, "memory.total", "Memory",
           "Memory of the host.", KIB),
    Metric("memory_free", HOST, NODE, GAUGE, BYTES, "memory.free", "Memory free",
           "Memory that nothing uses.", KIB),
    Metric("memory_buffers", HOST, NODE, GAUGE, BYTES, "memory.buffers", "Buffers",
           "Memory in block device buffers.", KIB),
    Metric("memory_cached", HOST, NODE, GAUGE, BYTES, "memory.cached", "Page cache",
           "Memory in the page cache.", KIB),
    Metric("memory_available", HOST, NODE, GAUGE, BYTES, "memory.available", "Memory available",
           "Memory that new programs can have without swapping; read where the agent runs on the host.", KIB),
    Metric("swap_total", HOST, NODE, GAUGE, BYTES, "swap.total", "Swap",
           "Size of the swap space; read where the agent runs on the host.", KIB),
    Metric("swap_free", HOST, NODE, GAUGE, BYTES, "swap.free", "Swap free",
           "Unused swap space; read where the agent runs on the host.", KIB),
    Metric("load1", HOST, NODE, GAUGE, COUNT, "load.1", "Load 1 min",
           "Tasks running or waiting, averaged over 1 min; read where the agent runs on the host.", CENTI),
    Metric("load5", HOST, NODE, GAUGE, COUNT, "load.5", "Load 5 min",
           "Tasks running or waiting, averaged over 5 min; read where the agent runs on the host.", CENTI),
    Metric("load15", HOST, NODE, GAUGE, COUNT, "load.15", "Load 15 min",
           "Tasks running or waiting, averaged over 15 min; read where the agent runs on the host.", CENTI),
    Metric("pressure_cpu_some", HOST, NODE, COUNTER, SECONDS, "pressure.cpu.some", "CPU pressure (some)",
           "Time in which at least one task stalled for CPU; read where the agent runs on the host.", US),
    Metric("pressure_cpu_full", HOST, NODE, COUNTER, SECONDS, "pressure.cpu.full", "CPU pressure (full)",
           "Time in which all tasks stalled for CPU; read where the agent runs on the host.", US),
    Metric("pressure_memory_some", HOST, NODE, COUNTER, SECONDS, "pressure.memory.some", "Memory pressure (some)",
           "Time in which at least one task stalled for memory; read where the agent runs on the host.", US),
    Metric("pressure_memory_full", HOST, NODE, COUNTER, SECONDS, "pressure.memory.full", "Memory pressure (full)",
           "Time in which all tasks stalled for memory; read where the agent runs on the host.", US),
    Metric("pressure_io_some", HOST, NODE, COUNTER, SECONDS, "pressure.io.some", "I/O pressure (some)",
           "Time in which at least one task stalled for I/O; read where the agent runs on the host.", US),
    Metric("pressure_io_full", HOST, NODE, COUNTER, SECONDS, "pressure.io.full", "I/O pressure (full)",
           "Time in which all tasks stalled for I/O; read where the agent runs on the host.", US),
    Metric("collect_time", HOST, NODE, GAUGE, SECONDS, "collect.time", "Collecting",
           "How long libvirt took to tell of all domains.", NS),
    Metric("kernel_time", HOST, NODE, GAUGE, SECONDS, "collect.kernel", "Collecting, kernel",
           "How long the reading of the kernel's own counters took; where the agent runs on the host.", NS),
    Metric("collect_errors", HOST, NODE, COUNTER, COUNT, "collect.errors", "Collecting, errors",
           "Readings that failed since the agent started."),
    Metric("stuck_calls", HOST, NODE, GAUGE, COUNT, "collect.stuck", "Stuck calls",
           "Calls into libvirt that have not returned yet and are left to themselves."),
    Metric("timed_out_domains", HOST, NODE, GAUGE, COUNT, "collect.timed_out", "Domains that do not answer",
           "Domains whose emulator does not answer libvirt."),

    # A NUMA node of the host.
    Metric("memory_total", CELL, CELL_GROUP, GAUGE, BYTES, "total", "Memory",
           "Memory of the NUMA node.", KIB),
    Metric("memory_free", CELL, CELL_GROUP, GAUGE, BYTES, "free", "Memory free",
           "Memory of the NUMA node that nothing uses.", KIB),
    Metric("hugepages_2m", CELL, CELL_GROUP, GAUGE, COUNT, "2048.total", "Huge pages, 2 MiB",
           "Huge pages of 2 MiB that are set aside."),
    Metric("hugepages_2m_free", CELL, CELL_GROUP, GAUGE, COUNT, "2048.free", "Huge pages free, 2 MiB",
           "Huge pages of 2 MiB that nobody has taken."),
    Metric("hugepages_1g", CELL, CELL_GROUP, GAUGE, COUNT, "1048576.total", "Huge pages, 1 GiB",
           "Huge pages of 1 GiB that are set aside."),
    Metric("hugepages_1g_free", CELL, CELL_GROUP, GAUGE, COUNT, "1048576.free", "Huge pages free, 1 GiB",
           "Huge pages of 1 GiB that nobody has taken."),

    # Storage, as libvirt knows it without asking it to look again.
    Metric("state", POOL, STORAGE, STATE, COUNT, "state", "State",
           "virStoragePoolState: 0 inactive, 1 building, 2 running, 3 degraded, 4 inaccessible."),
    Metric("capacity", POOL, STORAGE, GAUGE, BYTES, "capacity", "Capacity",
           "Size of the pool."),
    Metric("allocation", POOL, STORAGE, GAUGE, BYTES, "allocation", "Allocated",
           "What is taken of the pool."),
    Metric("available", POOL, STORAGE, GAUGE, BYTES, "available", "Available",
           "What is left of the pool."),
    Metric("capacity", VOLUME, STORAGE, GAUGE, BYTES, "capacity", "Capacity",
           "Size of the volume as its user sees it."),
    Metric("allocation", VOLUME, STORAGE, GAUGE, BYTES, "allocation", "Allocated",
           "What the volume takes of its pool."),

    # A domain: state, CPU, memory.
    Metric("state", DOMAIN, STATE_GROUP, STATE, COUNT, "state.state", "State",
           "virDomainState: 1 running, 2 blocked, 3 paused, 4 shutting down, 5 shut off, 6 crashed, 7 suspended."),
    Metric("state_reason", DOMAIN, STATE_GROUP, STATE, COUNT, "state.reason", "State reason",
           "Why the domain is in its state: a code of that state's own list."),
    Metric("timed_out", DOMAIN, STATE_GROUP, STATE, COUNT, "agent.timed_out", "Does not answer",
           "1 where the domain's emulator does not answer libvirt, or a job holds its lock."),
    Metric("cpu_time", DOMAIN, CPU_TOTAL, COUNTER, SECONDS, "cpu.time", "CPU time",
           "CPU time of the domain: its vCPUs and its emulator's threads.", NS),
    Metric("cpu_user", DOMAIN, CPU_TOTAL, COUNTER, SECONDS, "cpu.user", "CPU user",
           "CPU time of the domain spent in user space.", NS),
    Metric("cpu_system", DOMAIN, CPU_TOTAL, COUNTER, SECONDS, "cpu.system", "CPU system",
           "CPU time of the domain spent in the host's kernel.", NS),
    Metric("haltpoll_success_time", DOMAIN, CPU_TOTAL, COUNTER, SECONDS, "cpu.haltpoll.success.time", "Polling, useful",
           "Time spent polling for work before a halt, where work came.", NS),
    Metric("haltpoll_fail_time", DOMAIN, CPU_TOTAL, COUNTER, SECONDS, "cpu.haltpoll.fail.time", "Polling, in vain",
           "Time spent polling for work before a halt, where none came.", NS),
    Metric("vcpus", DOMAIN, VCPU_GROUP, GAUGE, COUNT, "vcpu.current", "vCPUs",
           "vCPUs that are online."),
    Metric("vcpus_maximum", DOMAIN, VCPU_GROUP, GAUGE, COUNT, "vcpu.maximum", "vCPUs at most",
           "vCPUs that can be online."),
    Metric("memory_current", DOMAIN, BALLOON, GAUGE, BYTES, "balloon.current", "Memory",
           "Memory the domain has now: what the balloon leaves it.", KIB),
    Metric("memory_maximum", DOMAIN, BALLOON, GAUGE, BYTES, "balloon.maximum", "Memory at most",
           "Memory the domain may have.", KIB),
    Metric("memory_swap_in", DOMAIN, BALLOON, COUNTER, BYTES, "balloon.swap_in", "Guest swap in",
           "Memory the guest read back from its swap.", KIB),
    Metric("memory_swap_out", DOMAIN, BALLOON, COUNTER, BYTES, "balloon.swap_out", "Guest swap out",
           "Memory the guest wrote to its swap.", KIB),
    Metric("memory_major_fault", DOMAIN, BALLOON, COUNTER, COUNT, "balloon.major_fault", "Major faults",
           "Page faults of the guest that needed its disk."),
    Metric("memory_minor_fault", DOMAIN, BALLOON, COUNTER, COUNT, "balloon.minor_fault", "Minor faults",
           "Page faults of the guest that did not."),
    Metric("memory_unused", DOMAIN, BALLOON, GAUGE, BYTES, "balloon.unused", "Guest memory free",
           "Memory that the guest uses for nothing at all.", KIB),
    Metric("memory_available", DOMAIN, BALLOON, GAUGE, BYTES, "balloon.available", "Guest memory",
           "Memory as the guest sees it.", KIB),
    Metric("memory_usable", DOMAIN, BALLOON, GAUGE, BYTES, "balloon.usable", "Guest memory available",
           "Memory that the guest can give to new programs without swapping.", KIB),
    Metric("memory_rss", DOMAIN, BALLOON, GAUGE, BYTES, "balloon.rss", "Resident on host",
           "Memory of the host that the emulator's process holds.", KIB),
    Metric("memory_last_update", DOMAIN, BALLOON, GAUGE, TIMESTAMP, "balloon.last-update", "Guest figures taken",
           "When the guest last told its memory figures."),
    Metric("memory_disk_caches", DOMAIN, BALLOON, GAUGE, BYTES, "balloon.disk_caches", "Guest page cache",
           "Memory that the guest can take back from its page cache.", KIB),
    Metric("memory_hugetlb_pgalloc", DOMAIN, BALLOON, COUNTER, COUNT, "balloon.hugetlb_pgalloc", "Huge pages taken",
           "Huge pages the guest allocated."),
    Metric("memory_hugetlb_pgfail", DOMAIN, BALLOON, COUNTER, COUNT, "balloon.hugetlb_pgfail", "Huge pages refused",
           "Huge pages the guest could not allocate."),
    Metric("dirty_rate", DOMAIN, DIRTY_RATE, GAUGE, BYTES_PER_SECOND, "dirtyrate.megabytes_per_second", "Dirty rate",
           "How fast the guest changed its memory when that was last measured (``virsh domdirtyrate-calc``).", MIB),

    # A virtual CPU.
    Metric("state", VCPU, VCPU_GROUP, STATE, COUNT, "vcpu.{}.state", "State",
           "virVcpuState: 0 offline, 1 running, 2 blocked."),
    Metric("time", VCPU, VCPU_GROUP, COUNTER, SECONDS, "vcpu.{}.time", "CPU time",
           "Time the vCPU ran on a CPU of the host.", NS),
    Metric("wait", VCPU, VCPU_GROUP, COUNTER, SECONDS, "vcpu.{}.wait", "I/O wait",
           "Time the vCPU waited for I/O of the host.", NS),
    Metric("delay", VCPU, VCPU_GROUP, COUNTER, SECONDS, "vcpu.{}.delay", "Steal",
           "Time the vCPU could have run but waited for a CPU of the host: the guest's steal time.", NS),
    Metric("halted", VCPU, VCPU_GROUP, STATE, COUNT, "vcpu.{}.halted", "Halted",
           "1 where the vCPU is halted: the guest had nothing for it to do."),

    # A disk.
    Metric("read_requests", DISK, BLOCK, COUNTER, COUNT, "block.{}.rd.reqs", "Reads",
           "Read requests completed."),
    Metric("read_bytes", DISK, BLOCK, COUNTER, BYTES, "block.{}.rd.bytes", "Read bytes",
           "Bytes read."),
    Metric("read_time", DISK, BLOCK, COUNTER, SECONDS, "block.{}.rd.times", "Read time",
           "Time that read requests took, added up.", NS),
    Metric("write_requests", DISK, BLOCK, COUNTER, COUNT, "block.{}.wr.reqs", "Writes",
           "Write requests completed."),
    Metric("write_bytes", DISK, BLOCK, COUNTER, BYTES, "block.{}.wr.bytes", "Write bytes",
           "Bytes written."),
    Metric("write_time", DISK, BLOCK, COUNTER, SECONDS, "block.{}.wr.times", "Write time",
           "Time that write requests took, added up.", NS),
    Metric("flush_requests", DISK, BLOCK, COUNTER, COUNT, "block.{}.fl.reqs", "Flushes",
           "Flush requests completed."),
    Metric("flush_time", DISK, BLOCK, COUNTER, SECONDS, "block.{}.fl.times", "Flush time",
           "Time that flush requests took, added up.", NS),
    Metric("errors", DISK, BLOCK, COUNTER, COUNT, "block.{}.errors", "Errors",
           "Failed requests; Xen only."),
    Metric("allocation", DISK, BLOCK, GAUGE, BYTES, "block.{}.allocation", "Allocated",
           "Offset of the highest byte written to the image."),
    Metric("capacity", DISK, BLOCK, GAUGE, BYTES, "block.{}.capacity", "Capacity",
           "Size of the disk as the guest sees it."),
    Metric("physical", DISK, BLOCK, GAUGE, BYTES, "block.{}.physical", "Physical size",
           "Size of the image on the host."),
    Metric("threshold", DISK, BLOCK, GAUGE, BYTES, "block.{}.threshold", "Threshold",
           "Write offset at which libvirt raises its block threshold event."),

    # A network interface, as the guest sees it: what it receives is 'receive'.
    Metric("receive_bytes", NIC, INTERFACE, COUNTER, BYTES, "net.{}.rx.bytes", "Received bytes",
           "Bytes the guest received."),
    Metric("receive_packets", NIC, INTERFACE, COUNTER, COUNT, "net.{}.rx.pkts", "Received packets",
           "Packets the guest received."),
    Metric("receive_errors", NIC, INTERFACE, COUNTER, COUNT, "net.{}.rx.errs", "Received errors",
           "Packets to be received that failed."),
    Metric("receive_drops", NIC, INTERFACE, COUNTER, COUNT, "net.{}.rx.drop", "Received drops",
           "Packets to be received that were dropped."),
    Metric("transmit_bytes", NIC, INTERFACE, COUNTER, BYTES, "net.{}.tx.bytes", "Sent bytes",
           "Bytes the guest sent."),
    Metric("transmit_packets", NIC, INTERFACE, COUNTER, COUNT, "net.{}.tx.pkts", "Sent packets",
           "Packets the guest sent."),
    Metric("transmit_errors", NIC, INTERFACE, COUNTER, COUNT, "net.{}.tx.errs", "Sent errors",
           "Packets to be sent that failed."),
    Metric("transmit_drops", NIC, INTERFACE, COUNTER, COUNT, "net.{}.tx.drop", "Sent drops",
           "Packets to be sent that were dropped."),

    # A thread of the emulator that serves disks.
    Metric("time", IOTHREAD, IOTHREAD_GROUP, COUNTER, SECONDS, "iothread.{}.time", "CPU time",
           "Time the thread ran on a CPU of the host; read where the agent runs on the host.", NS),
    Metric("delay", IOTHREAD, IOTHREAD_GROUP, COUNTER, SECONDS, "iothread.{}.delay", "Steal",
           "Time the thread could have run but waited for a CPU; read where the agent runs on the host.", NS),
    Metric("poll_maximum", IOTHREAD, IOTHREAD_GROUP, GAUGE, SECONDS, "iothread.{}.poll-max-ns", "Polls for at most",
           "How long the thread polls for work before it sleeps.", NS),
    Metric("poll_grow", IOTHREAD, IOTHREAD_GROUP, GAUGE, COUNT, "iothread.{}.poll-grow", "Polling grows by",
           "Factor by which the polling time grows."),
    Metric("poll_shrink", IOTHREAD, IOTHREAD_GROUP, GAUGE, COUNT, "iothread.{}.poll-shrink", "Polling shrinks by",
           "Divisor by which the polling time shrinks."),

    # An event that the kernel counts for a domain whose XML asks for it (<perf>).
    Metric("count", PERF, PERF_GROUP, COUNTER, COUNT, "perf.{}", "Count",
           "How often the event has happened: cpu_cycles, cache_misses, page_faults, context_switches…"),

    # A migration, or a job of one disk.
    Metric("type", JOB, JOB_GROUP, STATE, COUNT, "type", "Type",
           "Of a migration virDomainJobType: 1 bounded, 2 unbounded; of a disk's job virDomainBlockJobType: 1 pull, "
           "2 copy, 3 commit, 4 active commit, 5 backup."),
    Metric("elapsed", JOB, JOB_GROUP, GAUGE, SECONDS, "time_elapsed", "Elapsed",
           "Since the job began.", MS),
    Metric("remaining", JOB, JOB_GROUP, GAUGE, SECONDS, "time_remaining", "Remaining",
           "What libvirt expects until the end.", MS),
    Metric("data_total", JOB, JOB_GROUP, GAUGE, BYTES, "data_total", "Data",
           "Everything there is to do."),
    Metric("data_processed", JOB, JOB_GROUP, GAUGE, BYTES, "data_processed", "Data done",
           "What is done."),
    Metric("data_remaining", JOB, JOB_GROUP, GAUGE, BYTES, "data_remaining", "Data left",
           "What is left to do."),
    Metric("memory_total", JOB, JOB_GROUP, GAUGE, BYTES, "memory_total", "Memory",
           "Memory there is to move."),
    Metric("memory_processed", JOB, JOB_GROUP, GAUGE, BYTES, "memory_processed", "Memory done",
           "Memory moved; more than once where the guest changed it meanwhile."),
    Metric("memory_remaining", JOB, JOB_GROUP, GAUGE, BYTES, "memory_remaining", "Memory left",
           "Memory left to move."),
    Metric("memory_speed", JOB, JOB_GROUP, GAUGE, BYTES_PER_SECOND, "memory_bps", "Memory speed",
           "Memory moved per second."),
    Metric("memory_iteration", JOB, JOB_GROUP, GAUGE, COUNT, "memory_iteration", "Iteration",
           "How often the migration has gone over the memory."),
    Metric("downtime", JOB, JOB_GROUP, GAUGE, SECONDS, "downtime", "Downtime",
           "How long the guest stands still at the end, as far as libvirt knows.", MS),

    # A file system of a guest, by the guest's own word.
    Metric("size", FILESYSTEM, GUEST_AGENT, GAUGE, BYTES, "total-bytes", "Size",
           "Size of the file system."),
    Metric("used", FILESYSTEM, GUEST_AGENT, GAUGE, BYTES, "used-bytes", "Used",
           "What is taken of it."),
)
# fmt: on

IGNORED_SOURCES = {
    r"cpu\.cache\.monitor\..*": "resource groups (RDT) are a host's set-up, not a domain's figures",
    r"vcpu\.\d+\.[\w-]+\.(sum|cur|max|avg)": "KVM's own counters: hundreds of them, named by the kernel at hand",
    r"net\.count|block\.count": "the number of devices is the number of their rows",
    r"net\.\d+\.name": "identity: the target of the row",
    r"block\.\d+\.(name|path|backingIndex)": "identity: the target of the row, and the inventory's source",
    r"block\.\d+\.(limits|latency_histogram)\..*": "limits are in the XML; histograms of newer daemons: not collected",
    r"memory\.bandwidth\.monitor\..*": "resource groups (RDT) are a host's set-up, not a domain's figures",
    r"iothread\.count": "the number of threads is the number of their rows",
    r"dirtyrate\.(calc_status|calc_start_time|calc_period|calc_mode)": "how the dirty rate was measured",
    r"dirtyrate\.vcpu\..*": "the dirty rate of the whole domain is kept",
}
"""Fields of the collected groups that are left out on purpose, as patterns, each with its reason."""
