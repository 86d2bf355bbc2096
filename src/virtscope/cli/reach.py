"""Whom a command asks: hypervisors or a server that are named, else the context's, else this machine's server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from virtscope.cli import contexts
from virtscope.cli.source import Server, Source


@contextmanager
def source(connect: Sequence[str] | None, server: str, interval: float) -> Iterator[Source]:
    """What answers, for as long as the block lasts.

    Raises:
        BadInput: a URI or an address makes no sense.
        NotFound: there is no such context.
        Unreachable: no hypervisor answers.
    """
    if not connect and not server and (used := contexts.in_use()):
        connect = used[1].connect
    if not connect:
        yield Server(server)
        return
    from virtscope.agent import uri
    from virtscope.cli.direct import Direct

    direct = Direct(uri.parse_all(list(connect)), interval)
    try:
        direct.wait()
        yield direct
    finally:
        direct.close()
