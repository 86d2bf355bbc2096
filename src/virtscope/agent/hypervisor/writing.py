"""The read-write connection, which can do no more than its methods: balloons and guests' agents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from virtscope.agent.hypervisor.library import libvirt, start_event_loop, translated, unreachable
from virtscope.agent.uri import ConnectionUri
from virtscope.xml_document import Unreadable, attribute, read, whole


@dataclass(frozen=True, slots=True)
class Filesystem:
    """A file system, as the guest's agent tells it; bytes."""

    mountpoint: str
    size: int | None
    used: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """What a guest's agent has told."""

    hostname: str | None
    os: str | None
    kernel: str | None
    timezone: str | None
    users: tuple[str, ...]
    filesystems: tuple[Filesystem, ...]


@dataclass(frozen=True, slots=True)
class Guest:
    """A running domain, and what its XML says of balloon and agent."""

    id: str
    handle: Any
    stats_period: int | None
    """Seconds; 0 where it is unset, None where there is no balloon that could tell."""
    has_agent: bool
    """Whether the agent's channel is there and somebody in the guest has opened it."""


class WriteConnection:
    """A read-write connection, for the few things that take one. It can do no more than its methods."""

    def __init__(self, uri: ConnectionUri) -> None:
        """Connect.

        Raises:
            Unreachable: the hypervisor lets us not in, or not to write.
        """
        start_event_loop()
        self._uri = uri
        try:
            self._connection = libvirt.open(uri.text)
        except libvirt.libvirtError as error:
            raise unreachable(uri, error) from None

    @property
    def alive(self) -> bool:
        """Whether the connection is still open."""
        try:
            return bool(self._connection.isAlive())
        except libvirt.libvirtError:
            return False

    def close(self) -> None:
        """Close the connection; one that is broken already is no error."""
        with suppress(libvirt.libvirtError):
            self._connection.close()

    def running(self) -> Iterator[Guest]:
        """Every running domain; one whose XML cannot be read is left out."""
        with translated(self._uri):
            domains = self._connection.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_RUNNING)
        for domain in domains:
            with suppress(libvirt.libvirtError, Unreadable):
                root = read(domain.XMLDesc(0))
                balloon = root.find("devices/memballoon")
                has_balloon = balloon is not None and balloon.get("model") != "none"
                period = whole(attribute(balloon, "stats", "period")) or 0 if has_balloon else None
                channels = root.findall("devices/channel/target[@name='org.qemu.guest_agent.0']")
                connected = any(channel.get("state") == "connected" for channel in channels)
                yield Guest(domain.UUIDString(), domain, period, connected)

    def set_stats_period(self, guest: Guest, seconds: int) -> None:
        """Have the guest's balloon tell its memory figures every so often, until the domain stops."""
        with suppress(libvirt.libvirtError):  # gone meanwhile: nothing is lost
            guest.handle.setMemoryStatsPeriod(seconds, libvirt.VIR_DOMAIN_AFFECT_LIVE)

    def ask(self, guest: Guest, seconds: int) -> Told:
        """What the guest's agent says.

        Raises:
            HypervisorError: it does not answer in time, or refuses.
        """
        kinds = (
            libvirt.VIR_DOMAIN_GUEST_INFO_USERS
            | libvirt.VIR_DOMAIN_GUEST_INFO_OS
            | libvirt.VIR_DOMAIN_GUEST_INFO_TIMEZONE
            | libvirt.VIR_DOMAIN_GUEST_INFO_HOSTNAME
            | libvirt.VIR_DOMAIN_GUEST_INFO_FILESYSTEM
        )
        with translated(self._uri):
            with suppress(libvirt.libvirtError):  # an older libvirt: its own deadline holds
                guest.handle.agentSetResponseTimeout(seconds, 0)
            told = guest.handle.guestInfo(kinds, 0)
        users = (told.get(f"user.{number}.name") for number in range(told.get("user.count", 0)))
        return Told(
            hostname=told.get("hostname"),
            os=told.get("os.pretty-name") or told.get("os.name"),
            kernel=told.get("os.kernel-release"),
            timezone=told.get("timezone.name"),
            users=tuple(sorted({str(user) for user in users if user})),
            filesystems=tuple(
                Filesystem(str(mountpoint), told.get(f"fs.{number}.total-bytes"), told.get(f"fs.{number}.used-bytes"))
                for number in range(told.get("fs.count", 0))
                if (mountpoint := told.get(f"fs.{number}.mountpoint"))
            ),
        )
