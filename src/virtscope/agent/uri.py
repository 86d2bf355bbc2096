"""Which connection URIs are allowed, decided before libvirt sees one.

libvirt runs programs and opens remote shells on the word of a URI (``qemu+ext:///?command=/x`` runs ``/x`` here), so
transports and parameters are taken from a list. Source: libvirt's "Connection URIs" page.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from virtscope.errors import BadUri

DRIVERS = frozenset({"qemu", "test", "lxc", "xen", "ch", "bhyve", "vbox", "vz", "esx", "hyperv"})
TRANSPORTS = frozenset({"", "unix", "ssh", "libssh", "libssh2", "tls", "tcp"})
PARAMETERS = frozenset(
    {"socket", "mode", "keyfile", "known_hosts", "known_hosts_verify", "sshauth", "no_verify", "no_tty", "pkipath"}
)
_HOST = re.compile(r"[A-Za-z0-9_.:%\[\]]([A-Za-z0-9_.:%\[\]-]*)")


@dataclass(frozen=True, slots=True)
class ConnectionUri:
    """A URI that is allowed, in parts."""

    text: str
    driver: str
    transport: str
    host: str
    """Empty where libvirtd is on this machine."""


def parse(text: str) -> ConnectionUri:
    """Check a libvirt connection URI.

    Raises:
        BadUri: it is malformed, or has a driver, transport, host or parameter that is not allowed.
    """
    parts = urlsplit(text)
    driver, _, transport = parts.scheme.partition("+")
    if not parts.scheme or not text.startswith(f"{parts.scheme}:/"):
        raise BadUri(
            f"{text!r} is no libvirt connection URI",
            "Examples: qemu:///system, qemu+ssh://root@host/system, test:///default",
        )
    if driver not in DRIVERS:
        raise BadUri(f"{text!r}: unknown driver {driver!r}", f"Known are {', '.join(sorted(DRIVERS))}.")
    if transport not in TRANSPORTS:
        raise BadUri(
            f"{text!r}: transport {transport!r} is not allowed", f"Allowed are {', '.join(sorted(TRANSPORTS - {''}))}."
        )
    host = parts.hostname or ""
    if parts.netloc and not _HOST.fullmatch(host):
        raise BadUri(f"{text!r}: {host!r} is no host name", "A host name does not begin with '-'.")
    for name, _value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in PARAMETERS:
            raise BadUri(
                f"{text!r}: parameter {name!r} is not allowed", f"Allowed are {', '.join(sorted(PARAMETERS))}."
            )
    return ConnectionUri(text=text, driver=driver, transport=transport, host=host)


def parse_all(texts: Sequence[str]) -> list[ConnectionUri]:
    """Connection URIs, each once.

    Raises:
        BadUri: one is malformed or not allowed, or comes twice.
    """
    if len(set(texts)) != len(texts):
        raise BadUri("the same URI is given twice", "Give each hypervisor once.")
    return [parse(text) for text in texts]
