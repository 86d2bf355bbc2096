"""``virtscope agent``: watches hypervisors, for a server, for Prometheus, or for both."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable

from rich.text import Text

from virtscope import logs
from virtscope.agent.delivery import Delivery, Everyone
from virtscope.agent.enrolment import identity
from virtscope.agent.enrolment.identity import Identity
from virtscope.agent.following import Following, follow
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
        SpoolError: the spool cannot be used.
    """
    logs.begin(settings.log_format, settings.log_level)
    greeting = Greeting(settings.log_format)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    board = Board()
    delivery: Delivery | None = None
    listener = _listener(settings, board, lambda: {**own.process(), **(delivery.figures() if delivery else {})})
    following: list[Following] = []

    def resync() -> None:
        for one in following:
            one.resend()

    known = _identity(settings)
    if known is None and listener is None:
        raise BadInput(
            "metrics is empty, and this host is enrolled with no server: nobody would get what the agent reads",
            "Enrol it ('virtscope token create' on the server prints the line), or set metrics.",
        )
    limits = Limits(settings.spool_bytes, settings.sync_seconds, settings.replay_seconds)
    delivery = Delivery(known, settings.state, limits, resync) if known else None
    pulse, manager = Pulse(), ServiceManager.here()
    sink = Everyone([board, delivery]) if delivery else board
    following.append(follow(settings.watching, sink, board, pulse))
    if listener:
        listener.start()
    unwatch = manager.watch(lambda: pulse.late() + (delivery.late() if delivery else ()))
    try:
        where = [listener.url] if listener else []
        if delivery and known:
            where.append(f"agent {known.name} of {known.server}")
        told = [Text(f"  delivers to {known.server} as {known.name}; spool in {settings.state}")] if known else []
        greeting.begins(NAME, listener.url if listener else "work", settings.watching, *told)
        manager.ready(", ".join(where))
        ended.wait()
    finally:
        manager.stopping()
        unwatch()
        if listener:
            listener.stop()
        following[0].stop()
        if delivery:
            delivery.stop()
    greeting.ended(NAME)


def _listener(settings: AgentSettings, board: Board, figures: Callable[[], Told]) -> Listener | None:
    if settings.metrics is None:
        return None
    config = settings.web_config
    loaded = web_config.load(config) if config else None
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
