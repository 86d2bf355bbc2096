"""The envelope of a batch: how samples, inventory and events are laid out in msgpack.

Facts are grouped by their kind, because their classes share no field that tells them apart.
"""

from __future__ import annotations

import msgspec

from virtscope.sample import (
    BindingFacts,
    DomainFacts,
    Event,
    FilterFacts,
    Gone,
    GuestFacts,
    HostFacts,
    Link,
    NetworkFacts,
    Other,
    PoolFacts,
    Whole,
)


class Tables(msgspec.Struct, array_like=True, frozen=True):
    """One sample: an Arrow IPC stream for each scope, by its name."""

    host: str
    at: int
    streams: dict[str, bytes]


class Others(msgspec.Struct, frozen=True, omit_defaults=True):
    """What exists beside domains."""

    filters: tuple[FilterFacts, ...] = ()
    bindings: tuple[BindingFacts, ...] = ()
    networks: tuple[NetworkFacts, ...] = ()
    pools: tuple[PoolFacts, ...] = ()
    guests: tuple[GuestFacts, ...] = ()

    @classmethod
    def of(cls, facts: tuple[Other, ...]) -> Others:
        """These facts, each among those of its kind."""
        return cls(
            tuple(one for one in facts if isinstance(one, FilterFacts)),
            tuple(one for one in facts if isinstance(one, BindingFacts)),
            tuple(one for one in facts if isinstance(one, NetworkFacts)),
            tuple(one for one in facts if isinstance(one, PoolFacts)),
            tuple(one for one in facts if isinstance(one, GuestFacts)),
        )

    def all(self) -> tuple[Other, ...]:
        """All of them."""
        return (*self.filters, *self.bindings, *self.networks, *self.pools, *self.guests)


class Envelope(msgspec.Struct, frozen=True, omit_defaults=True):
    """One batch, without its name."""

    version: int
    at: int
    samples: tuple[Tables, ...] = ()
    hosts: tuple[HostFacts, ...] = ()
    domains: tuple[DomainFacts, ...] = ()
    others: Others = Others()
    gone: tuple[Gone, ...] = ()
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    whole: tuple[Whole, ...] = ()


class Header(msgspec.Struct, frozen=True):
    """What can be read of an envelope of any version."""

    version: int
