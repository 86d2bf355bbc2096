"""``virtscope agent``: watches hypervisors for Prometheus, without any server or store."""

from __future__ import annotations

import signal
import threading

from virtscope import logs
from virtscope.agent import collector
from virtscope.cli.greeting import Greeting
from virtscope.exposition import web_config
from virtscope.exposition.board import Board
from virtscope.exposition.listener import Listener
from virtscope.notify import ServiceManager
from virtscope.pulse import Pulse
from virtscope.settings.agent import AgentSettings

NAME = "virtscope agent"


def run(settings: AgentSettings) -> None:
    """Serve ``/metrics`` until told to stop (SIGINT, SIGTERM).

    Raises:
        BadInput: the address, the configuration or a source of hosts makes no sense.
    """
    logs.begin(settings.log_format, settings.log_level)
    greeting = Greeting(settings.log_format)
    board = Board()
    config = settings.web_config
    listener = Listener(board, str(settings.metrics), web_config.load(config) if config else None, settings.dialect)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    pulse, manager = Pulse(), ServiceManager.here()
    following = collector.follow(settings.watching, board, board, pulse)
    listener.start()
    unwatch = manager.watch(pulse.late)
    try:
        greeting.begins(NAME, listener.url, settings.watching)
        manager.ready(f"/metrics is at {listener.url}")
        ended.wait()
    finally:
        manager.stopping()
        unwatch()
        listener.stop()
        following.stop()
    greeting.ended(NAME)
