"""``virtscope agent``: watches hypervisors, for a server, for Prometheus that scrapes or is written to, or for all."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence

from rich.text import Text

from virtscope import logs
from virtscope.agent.delivery import Delivery, Everyone
from virtscope.agent.enrolment import identity
from virtscope.agent.enrolment.identity import Identity
from virtscope.agent.following import Following, follow
from virtscope.agent.remote_write import RemoteWrite
from virtscope.agent.spool import Limits
from virtscope.cli.greeting import Greeting
from virtscope.errors import BadInput
from virtscope.exposition import own, web_config
from virtscope.exposition.board import Board
from virtscope.exposition.listener import Listener
from virtscope.exposition.own import Told
from virtscope.notify import ServiceManager
from virtscope.pulse import Pulse
from virtscope.settings.agent import AgentSettings

NAME = "virtscope agent"


def run(settings: AgentSettings) -> None:
    """Watch, deliver, and serve ``/metrics`` until told to stop (SIGINT, SIGTERM).

    Raises:
        BadInput: the address, the configuration or a source of hosts makes no sense.
        EnrolmentError: it is to deliver to a server, and is not enrolled there.
        SpoolError: a spool cannot be used.
        EngineError: the authority of remote write's receiver cannot be read.
    """
    logs.begin(settings.log_format, settings.log_level)
    greeting = Greeting(settings.log_format)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    board = Board()
    outputs: list[Delivery | RemoteWrite] = []
    listener = _listener(settings, board, outputs)
    following: list[Following] = []

    def resync() -> None:
        for one in following:
            one.resend()

    known = _identity(settings)
    if known is None and listener is None and settings.remote_write is None:
        raise BadInput(
            "metrics is empty, and this host is enrolled with no server: nobody would get what the agent reads",
            "Enrol it ('virtscope token create' on the server prints the line), or set metrics or remote-write.",
        )
    outputs += _outputs(settings, known, resync, listener.reached_at if listener else "")
    pulse, manager = Pulse(), ServiceManager.here()
    following.append(follow(settings.watching, Everyone([board, *outputs]), board, pulse))
    if listener:
        listener.start()
    unwatch = manager.watch(lambda: pulse.late() + tuple(late for one in outputs for late in one.late()))
    try:
        where = [*([listener.url] if listener else []), *(one.where for one in outputs)]
        told = [Text(f"  {one.words}; spool in {settings.state}") for one in outputs]
        greeting.begins(NAME, listener.url if listener else "work", settings.watching, *told)
        manager.ready(", ".join(where))
        ended.wait()
    finally:
        manager.stopping()
        unwatch()
        if listener:
            listener.stop()
        following[0].stop()
        for one in outputs:
            one.stop()
    greeting.ended(NAME)


def _outputs(
    settings: AgentSettings, known: Identity | None, resync: Callable[[], None], metrics: str
) -> Iterator[Delivery | RemoteWrite]:
    """What goes out by itself."""
    limits = Limits(settings.spool_bytes, settings.sync_seconds, settings.replay_seconds)
    if known:
        yield Delivery(known, settings.state, limits, resync, metrics)
    if settings.remote_write:
        yield RemoteWrite(settings.remote_write, settings.state, limits, settings.dialect)


def _listener(settings: AgentSettings, board: Board, outputs: Sequence[Delivery | RemoteWrite]) -> Listener | None:
    if settings.metrics is None:
        return None
    config = settings.web_config
    loaded = web_config.load(config) if config else None

    def figures() -> Told:
        return {**own.process(), **{name: value for one in outputs for name, value in one.figures().items()}}

    return Listener(board, str(settings.metrics), loaded, settings.dialect, own=figures)


def _identity(settings: AgentSettings) -> Identity | None:
    """Who the agent is, where it delivers: because the settings name a server, or because it is enrolled with one."""
    if not settings.server and not (settings.state / identity.FILE).exists():
        return None
    known = identity.load(settings.state)
    if settings.server and settings.server.rstrip("/") != known.server.rstrip("/"):
        raise BadInput(
            f"server is {settings.server}, and this host is enrolled with {known.server}",
            "Enrol it with the other one: 'virtscope token create' there prints the line to paste.",
        )
    return known
