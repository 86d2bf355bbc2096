"""The settings of every program that watches hypervisors, and what they come to."""

from __future__ import annotations

from collections.abc import Iterator

from virtscope.agent import discovery
from virtscope.agent.discovery.template import DEFAULT, Template
from virtscope.agent.pace import Pace
from virtscope.agent.settings import Watching, watching
from virtscope.agent.uri import parse, parse_all
from virtscope.errors import BadInput, VirtscopeError
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Duration, Listed, Switch, Text
from virtscope.settings.program import Complaint, Resolved

_GROUP = "Hypervisors"
_OFTEN, _SELDOM = 0.2, 3600.0
THIS_MACHINE = "qemu:///system"

CONNECT: Setting[tuple[str, ...]] = Setting(
    "connect",
    Listed(Text("URI")),
    (),
    "A hypervisor to watch.",
    _GROUP,
    note="this machine's, unless others are found",
    short="-c",
)
DISCOVER: Setting[tuple[str, ...]] = Setting(
    "discover",
    Listed(Text("SOURCE")),
    (),
    "Where more hosts are found, as they come and go: file:PATH, http(s)://…, dns:SRV-NAME, openstack:CLOUD.",
    _GROUP,
)
TEMPLATE = Setting("template", Text("URI"), "", "How a found host is connected to.", _GROUP, note=DEFAULT)
INTERVAL = Setting(
    "interval", Duration(_OFTEN, _SELDOM), 10.0, "The time between two samples of a host.", _GROUP, short="-i"
)
LIBVIRT_INTERVAL: Setting[float | None] = Setting(
    "libvirt-interval",
    Duration(_OFTEN, _SELDOM),
    None,
    "The time between two questions to libvirt where the kernel tells CPU and network figures without it.",
    _GROUP,
    note="3 intervals",
)
ALLOW_WRITE: Setting[tuple[str, ...]] = Setting(
    "allow-write",
    Listed(Text("[URI=]WHAT")),
    (),
    "What may be written on a host (all of them, without URI): stats-period, guest-agent.",
    _GROUP,
    note="nothing",
)
ALLOW_NO_VERIFY = Setting(
    "allow-no-verify", Switch(), False, "Allow URIs that do not check who the host is (no_verify=1).", _GROUP
)
SETTINGS = (CONNECT, DISCOVER, TEMPLATE, INTERVAL, LIBVIRT_INTERVAL, ALLOW_WRITE, ALLOW_NO_VERIFY)


def read(resolved: Resolved, otherwise: str = THIS_MACHINE) -> Watching:
    """What is watched, and how; ``otherwise`` is the hypervisor where none is named and none is looked for.

    Raises:
        BadInput: something of it makes no sense.
    """
    interval, asked = resolved[INTERVAL], resolved[LIBVIRT_INTERVAL]
    return watching(
        _uris(resolved, otherwise),
        Pace.of(interval) if asked is None else Pace(interval, asked),
        sources=resolved[DISCOVER],
        template=resolved[TEMPLATE],
        allow_no_verify=resolved[ALLOW_NO_VERIFY],
        allow_write=resolved[ALLOW_WRITE],
    )


def check(resolved: Resolved, otherwise: str = THIS_MACHINE) -> Iterator[Complaint]:
    """Whatever is wrong with it, one by one."""
    uris, unverified = _uris(resolved, otherwise), resolved[ALLOW_NO_VERIFY]
    before = False
    for text in uris:
        try:
            parse(text, allow_no_verify=unverified)
        except BadInput as error:
            before = True
            yield _complaint(CONNECT, error)
    template = resolved[TEMPLATE] or DEFAULT
    try:
        Template(template, unverified)
    except BadInput as error:
        yield _complaint(TEMPLATE, error)
        template = DEFAULT
    for source in resolved[DISCOVER]:
        try:
            discovery.parse(source, template, allow_no_verify=unverified)
        except VirtscopeError as error:
            yield _complaint(DISCOVER, error)
    if before:
        return
    try:
        parse_all(uris, allow_no_verify=unverified)
    except BadInput as error:
        yield _complaint(CONNECT, error)
        return
    for entry in resolved[ALLOW_WRITE]:
        try:
            watching(uris, Pace.of(1.0), allow_no_verify=unverified, allow_write=[entry])
        except BadInput as error:
            yield _complaint(ALLOW_WRITE, error)


def _uris(resolved: Resolved, otherwise: str) -> tuple[str, ...]:
    return resolved[CONNECT] or (() if resolved[DISCOVER] or not otherwise else (otherwise,))


def _complaint(setting: Setting[tuple[str, ...]] | Setting[str], error: VirtscopeError) -> Complaint:
    return Complaint(setting, f"{error}. {error.hint}" if error.hint else str(error))
