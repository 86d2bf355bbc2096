"""Discovery: hosts come and go without a restart. The port that every source of hosts fits, and how one is named.

What a source says is a stranger's word: it can name hosts, and how they are connected to stays the operator's template.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from virtscope.agent.discovery.template import DEFAULT, Template
from virtscope.agent.uri import ConnectionUri
from virtscope.errors import BadInput


class Source(Protocol):
    """Where a list of hosts can be had."""

    @property
    def name(self) -> str:
        """What the operator calls it."""

    @property
    def interval(self) -> float:
        """Seconds between two looks."""

    def hosts(self) -> Sequence[ConnectionUri]:
        """All hosts that it names now. May block.

        Raises:
            DiscoveryError: it did not answer, or not with a list of hosts.
        """


def parse(text: str, template: str = DEFAULT, *, allow_no_verify: bool = False) -> Source:
    """The source that an operator names, such as ``file:/path`` or ``dns:_libvirt._tcp.example.org``.

    Raises:
        BadInput: there is no such kind of source, or its address makes no sense.
        BadUri: the template is malformed or not allowed.
        VirtscopeError: a library that it needs is not installed.
    """
    made = Template(template, allow_no_verify)
    kind, _, rest = text.partition(":")
    if kind == "file" and rest:
        from virtscope.agent.discovery.file import FileSource

        return FileSource(rest, made)
    if kind in ("http", "https"):
        from virtscope.agent.discovery.http_sd import HttpSource

        return HttpSource(text, made)
    if kind == "dns" and rest:
        from virtscope.agent.discovery.dns_srv import DnsSource

        return DnsSource(rest, made)
    if kind == "openstack" and rest:
        from virtscope.agent.discovery.openstack import OpenStackSource

        return OpenStackSource(rest, made)
    raise BadInput(
        f"{text!r} names no source of hosts",
        "Examples: file:/etc/virtscope/hosts, https://inventory.example.org/hosts, dns:_libvirt._tcp.example.org, "
        "openstack:mycloud",
    )
