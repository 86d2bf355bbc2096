"""The guard: where a process may connect to. Public addresses, and what the operator allows beside them.

An address that tells of alerts comes from an admin, yet it must not open this server's own machine or network to
whoever has become one: cloud metadata (169.254.169.254), databases without a password on loopback. Names are looked at
when they are resolved for the connection itself: one that answers otherwise the second time gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Forbidden(OSError):
    """An address that may not be connected to."""


def install(allowed: Sequence[str]) -> None:
    """Have every resolution of a name in this process answer with allowed addresses only: it cannot be undone.

    Args:
        allowed: networks (CIDR) that are not public.
    """
    networks = [ipaddress.ip_network(text) for text in allowed]
    resolve = socket.getaddrinfo

    def guarded(host: Any, *arguments: Any, **named: Any) -> Any:
        found = resolve(host, *arguments, **named)
        kept = [one for one in found if is_allowed(str(one[4][0]), networks)]
        if not kept:
            shown = ", ".join(dict.fromkeys(str(one[4][0]) for one in found))
            raise Forbidden(f"{host} ({shown}) is not public: allow its network with --notify-networks")
        return kept

    socket.getaddrinfo = guarded


def is_allowed(address: str, networks: Sequence[Network]) -> bool:
    """Whether an IP address may be connected to."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    if any(found.version == network.version and found in network for network in networks):
        return True
    return found.is_global and not found.is_multicast
