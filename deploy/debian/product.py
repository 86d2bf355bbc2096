"""The two packages: what is in each, and what differs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """One package."""

    program: str
    """``agent`` of ``virtscope agent``."""
    user: str
    state: str
    """The folder of its state, which goes when the package is purged."""
    requirements: str
    """The file with its pinned dependencies, in ``requirements/``."""
    summary: str
    description: str
    priority: int
    """Whose ``/usr/bin/virtscope`` it is where both are installed: the higher."""
    groups: tuple[str, ...] = ()
    """Groups that its user joins where they exist."""
    examples: tuple[str, ...] = ()
    """What goes into its folder of examples: patterns of files below ``deploy``."""
    more: dict[str, str] | None = None
    """Further fields of the control file."""

    @property
    def name(self) -> str:
        """The package's name, also of its unit and its folder."""
        return f"virtscope-{self.program}"


_PROMETHEUS = (
    *("grafana/dashboards/*/*.json", "grafana/provisioning/*/*.yaml", "prometheus/*.yaml", "prometheus/hosts/*.yaml"),
    *("zabbix/*.yaml", "opentelemetry/*.yaml"),
)
"""Everything around ``/metrics``."""

AGENT = Product(
    program="agent",
    user="virtscope-agent",
    state="/var/lib/virtscope-agent",
    requirements="agent.txt",
    summary="watches this host's libvirt, for a virtscope server or Prometheus",
    description=(
        "The agent reads every domain, vCPU, disk and interface of the hypervisors on this host, read-only, and "
        "delivers them to a virtscope server, or serves them to Prometheus in the names of the libvirt exporters."
    ),
    priority=10,
    groups=("libvirt",),
    examples=("polkit/*.rules", *_PROMETHEUS),
    more={"Recommends": "libvirt-daemon-system", "Suggests": "virtscope-server, prometheus"},
)
SERVER = Product(
    program="server",
    user="virtscope",
    state="/var/lib/virtscope",
    requirements="server.txt",
    summary="page, API and store of a fleet of KVM/libvirt hosts",
    description=(
        "The server takes in what virtscope's agents deliver, keeps it, and serves a page and an API: every host, "
        "domain, disk and interface of a fleet, live, stored and explained."
    ),
    priority=20,
    examples=_PROMETHEUS,
    more={"Suggests": "virtscope-agent"},
)
PRODUCTS = (AGENT, SERVER)
