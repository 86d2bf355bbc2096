"""What an agent does: which hypervisors it watches, how often, and what it may write. No library is loaded for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from virtscope.agent.pace import Pace
from virtscope.agent.uri import ConnectionUri, parse_all
from virtscope.errors import BadInput


class Write(StrEnum):
    """What an operator may allow on a host."""

    STATS_PERIOD = "stats-period"
    GUEST_AGENT = "guest-agent"


@dataclass(frozen=True, slots=True)
class Watching:
    """Which hypervisors are watched, and how."""

    uris: Sequence[ConnectionUri]
    pace: Pace
    sources: Sequence[str] = ()
    """Where more hosts are found: ``file:…``, ``http…``, ``dns:…``, ``openstack:…``."""
    template: str = ""
    """How a found host is connected to; empty is the usual way."""
    allow_no_verify: bool = False
    allowed: Mapping[str, frozenset[Write]] = field(default_factory=dict)
    """What may be written, by URI."""
    allowed_everywhere: frozenset[Write] = frozenset()
    """What may be written on every host, found ones too."""

    def allowed_on(self, uri: str) -> frozenset[Write]:
        """What may be written on one host."""
        return self.allowed_everywhere | self.allowed.get(uri, frozenset())


def watching(  # what the command line has
    uris: Sequence[str],
    pace: Pace,
    *,
    sources: Sequence[str] = (),
    template: str = "",
    allow_no_verify: bool = False,
    allow_write: Sequence[str] = (),
) -> Watching:
    """The settings out of what the operator wrote; ``allow_write`` is ``[URI=]WHAT[,WHAT]`` each.

    Raises:
        BadInput: something of it makes no sense.
    """
    allowed: dict[str, frozenset[Write]] = {}
    everywhere: frozenset[Write] = frozenset()
    for text in allow_write:
        uri, _, words = text.rpartition("=")
        try:
            found = frozenset(Write(word.strip()) for word in words.split(","))
        except ValueError:
            known = ", ".join(Write)
            raise BadInput(f"cannot allow to write {words!r}", f"Known are {known}, separated by commas.") from None
        if not uri:
            everywhere |= found
        elif uri in uris:
            allowed[uri] = allowed.get(uri, frozenset()) | found
        else:
            raise BadInput(f"cannot allow to write on {uri!r}: it is not watched", "Name a URI as --connect does.")
    parsed = parse_all(uris, allow_no_verify=allow_no_verify)
    return Watching(parsed, pace, tuple(sources), template, allow_no_verify, allowed, everywhere)
