"""Which connection URIs are allowed, decided before libvirt sees one.

libvirt runs programs and opens remote shells on the word of a URI (``qemu+ext:///?command=/x`` runs ``/x`` here), so
every part is taken from a list or has a narrow form, and nothing is percent-encoded: what is read here is what libvirt
reads. Source: libvirt's "Connection URIs" page.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from virtscope.errors import BadUri

DRIVERS = frozenset({"qemu", "test", "lxc", "xen", "ch", "bhyve", "vbox", "vz", "esx", "hyperv"})
TRANSPORTS = frozenset({"", "unix", "ssh", "libssh2", "tls", "tcp"})
"""``libssh`` is not among them: with libvirt 9.0 it hung, and brought the whole process down, beside other threads."""
PATHS = frozenset({"", "/", "/system", "/session", "/default"})
"""``/embed`` is not among them: it runs a hypervisor in this process. ``test:///file`` would read any file."""


@dataclass(frozen=True, slots=True)
class _Values:
    """What a parameter may say."""

    form: re.Pattern[str]
    words: str


_FILE = _Values(re.compile(r"/[A-Za-z0-9_./@:+,=~-]+"), "an absolute path without spaces, quotes or shell characters")
_SWITCH = _Values(re.compile(r"[01]"), "0 or 1")
_METHOD = r"(?:agent|privkey|password|keyboard-interactive)"
PARAMETERS = {
    "keyfile": _FILE,
    "known_hosts": _FILE,
    "known_hosts_verify": _Values(re.compile(r"normal|auto|ignore"), "normal, auto or ignore"),
    "mode": _Values(re.compile(r"auto|direct|legacy"), "auto, direct or legacy"),
    "no_tty": _SWITCH,
    "no_verify": _SWITCH,
    "pkipath": _FILE,
    # The third, netcat, has the far side run what the parameter "netcat" says.
    "proxy": _Values(re.compile(r"auto|native"), "auto or native"),
    "socket": _FILE,
    "sshauth": _Values(
        re.compile(rf"{_METHOD}(?:,{_METHOD})*"), "some of agent, privkey, password, keyboard-interactive"
    ),
}
_UNVERIFIED = re.compile(r"no_verify=.*|known_hosts_verify=ignore")

_CHARACTERS = re.compile(r"[A-Za-z0-9_./:@?&=+,~\[\]-]*")
_URI = re.compile(
    r"(?P<driver>[a-z0-9]+)(?:\+(?P<transport>[a-z0-9]*))?:(?=/)"
    r"(?://(?P<authority>[^/?]*))?(?P<path>/[^?]*)?(?:\?(?P<query>.*))?"
)
_AUTHORITY = re.compile(r"(?:(?P<user>[^@]*)@)?(?P<host>\[[^\[\]@]*:[^\[\]@]*\]|[^\[\]@:]*)(?::(?P<port>[0-9]{1,5}))?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_LOOKS_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?")
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class ConnectionUri:
    """A URI that is allowed, in parts."""

    text: str
    driver: str
    transport: str
    host: str
    """Empty where libvirtd is on this machine."""
    port: int | None = None
    path: str = ""


def parse(text: str, *, allow_no_verify: bool = False) -> ConnectionUri:
    """Check a libvirt connection URI; ``allow_no_verify`` accepts parameters that stop checking who the host is.

    Raises:
        BadUri: it is malformed, or has a driver, transport, user, host, path or parameter that is not allowed.
    """
    if not _CHARACTERS.fullmatch(text):
        raise BadUri(
            f"{text!r} has a character that is not allowed in a connection URI",
            "Allowed are ASCII letters, digits and _ - . / : @ ? & = + , ~ [ ]. Nothing is percent-encoded.",
        )
    parts = _URI.fullmatch(text)
    if not parts:
        raise BadUri(
            f"{text!r} is no libvirt connection URI",
            "Examples: qemu:///system, qemu+ssh://root@host/system, test:///default",
        )
    driver, transport, path = parts["driver"], parts["transport"] or "", parts["path"] or ""
    if driver not in DRIVERS:
        raise BadUri(f"{text!r}: unknown driver {driver!r}", f"Known are {', '.join(sorted(DRIVERS))}.")
    if transport not in TRANSPORTS:
        raise BadUri(
            f"{text!r}: transport {transport!r} is not allowed", f"Allowed are {', '.join(sorted(TRANSPORTS - {''}))}."
        )
    if path not in PATHS:
        raise BadUri(f"{text!r}: path {path!r} is not allowed", f"Allowed are {', '.join(sorted(PATHS - {''}))}.")
    host, port = _authority(text, parts["authority"] or "")
    if parts["query"] is not None:
        _check_parameters(text, parts["query"], allow_no_verify)
    return ConnectionUri(text, driver, transport, host, port, path)


def parse_all(texts: Sequence[str], *, allow_no_verify: bool = False) -> list[ConnectionUri]:
    """Connection URIs, each once.

    Raises:
        BadUri: one is malformed or not allowed, or comes twice.
    """
    if len(set(texts)) != len(texts):
        raise BadUri("the same URI is given twice", "Give each hypervisor once.")
    return [parse(text, allow_no_verify=allow_no_verify) for text in texts]


def host_name(text: str) -> str:
    """A host name or IP address in the one form that all its spellings share.

    Raises:
        BadUri: it is neither.
    """
    try:
        if ":" in text and "%" not in text:
            return str(ipaddress.IPv6Address(text))
        if _LOOKS_NUMERIC.fullmatch(text):  # otherwise the resolver would read 127.1 or 0x7f000001 as an address, too
            return str(ipaddress.IPv4Address(text))
    except ValueError:
        pass
    else:
        if len(text) <= _LONGEST_NAME and _NAME.fullmatch(text):
            return text.lower().removesuffix(".")
    raise BadUri(
        f"{text[:_LONGEST_NAME]!r} is no host name",
        "A host name has letters, digits, dots and hyphens, and does not begin with '-'; otherwise give an IP address.",
    )


def _authority(text: str, authority: str) -> tuple[str, int | None]:
    """The host and port of ``user@host:port``."""
    if not authority:
        return "", None
    parts = _AUTHORITY.fullmatch(authority)
    port = int(parts["port"]) if parts and parts["port"] else None
    if not parts or (port is not None and not 0 < port <= 65_535):
        raise BadUri(f"{text!r}: {authority!r} is no host", "Write user@host, host:port or [IPv6 address]:port.")
    if parts["user"] is not None and not _USER.fullmatch(parts["user"]):
        raise BadUri(
            f"{text!r}: {parts['user']!r} is not allowed as a user's name",
            "It has letters, digits and _ . + -, does not begin with '-', and comes without a password.",
        )
    try:
        return host_name(parts["host"].strip("[]")), port
    except BadUri as error:
        raise BadUri(f"{text!r}: {error}", error.hint) from None


def _check_parameters(text: str, query: str, allow_no_verify: bool) -> None:
    seen = set()
    for parameter in query.split("&"):
        name, _, value = parameter.partition("=")
        if name not in PARAMETERS:
            raise BadUri(
                f"{text!r}: parameter {name!r} is not allowed", f"Allowed are {', '.join(sorted(PARAMETERS))}."
            )
        if not PARAMETERS[name].form.fullmatch(value):
            raise BadUri(f"{text!r}: {name!r} cannot be {value!r}", f"It is {PARAMETERS[name].words}.")
        if name in seen:
            raise BadUri(f"{text!r}: parameter {name!r} comes twice", "Give it once.")
        if _UNVERIFIED.fullmatch(parameter) and not allow_no_verify:
            raise BadUri(
                f"{text!r}: {parameter!r} would connect to whoever answers in the host's place",
                "Make the host's key or certificate known instead, or accept the risk with --allow-no-verify.",
            )
        seen.add(name)
