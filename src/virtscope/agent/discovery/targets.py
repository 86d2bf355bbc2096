"""Lists of targets: how one is written, and how its entries become URIs, each at its own risk."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from virtscope.agent.uri import ConnectionUri
from virtscope.errors import BadUri, DiscoveryError

log = logging.getLogger(__name__)

T = TypeVar("T")

MOST_BYTES = 4 * 1024 * 1024
"""The longest list that is read."""
MOST_TARGETS = 10_000
_MOST_COMPLAINTS = 20
_LONGEST_COMPLAINT = 500
_TARGET = re.compile(r"(?P<host>\[[^\[\]]*:[^\[\]]*\]|[^\[\]:]*)(?::(?P<port>[0-9]{1,5}))?")


class _Group(msgspec.Struct):
    """One of Prometheus's target groups; its labels are nobody's business here."""

    targets: list[Any]


def from_json(body: bytes, source: str) -> list[Any]:
    """The targets of a list as Prometheus's file and HTTP service discovery have it: ``[{"targets": ["host:port"]}]``.

    Raises:
        DiscoveryError: it is no such list.
    """
    try:
        groups = msgspec.json.decode(body, type=list[_Group])
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise DiscoveryError(
            f"{source}: that is no list of targets: {error}",
            'It looks like [{"targets": ["kvm1:9100", "kvm2:9100"]}].',
        ) from None
    return [target for group in groups for target in group.targets]


def split(target: object) -> tuple[str, int | None]:
    """The host and port of ``host``, ``host:port``, ``[IPv6]:port`` or a bare IPv6 address.

    Raises:
        BadUri: it is nothing of these.
    """
    if isinstance(target, str):
        if target.count(":") > 1 and not target.startswith("["):
            return target, None
        if found := _TARGET.fullmatch(target):
            return found["host"].strip("[]"), int(found["port"]) if found["port"] else None
    raise BadUri(f"{str(target)[:_LONGEST_COMPLAINT]!r} is no target", "Write host, host:port or [IPv6 address]:port.")


class Entries:
    """Makes URIs of a source's entries. A bad one costs only itself, and is complained of once while it stays."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._refused: frozenset[str] = frozenset()

    def uris(self, entries: Sequence[T], uri: Callable[[T], ConnectionUri]) -> list[ConnectionUri]:
        """The URI of every entry that has one.

        Raises:
            DiscoveryError: there are too many entries.
        """
        if len(entries) > MOST_TARGETS:
            raise DiscoveryError(
                f"{self._source}: {len(entries)} entries are more than {MOST_TARGETS}", "Split the list among agents."
            )
        found, refused = [], set()
        for entry in entries:
            try:
                found.append(uri(entry))
            except BadUri as error:
                refused.add(f"{error}. {error.hint}"[:_LONGEST_COMPLAINT])
        self._complain(sorted(refused - self._refused))
        self._refused = frozenset(refused)
        return found

    def _complain(self, reasons: list[str]) -> None:
        for reason in reasons[:_MOST_COMPLAINTS]:
            log.warning("%s: an entry is left out: %s", self._source, reason)
        if len(reasons) > _MOST_COMPLAINTS:
            log.warning("%s: %d more entries are left out", self._source, len(reasons) - _MOST_COMPLAINTS)
