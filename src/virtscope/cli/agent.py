"""``virtscope agent``: watches hypervisors for Prometheus, without any server or store."""

from __future__ import annotations

import logging
import signal
import threading

from rich.console import Console
from rich.logging import RichHandler
from rich.text import Text

from virtscope import __version__
from virtscope.agent import collector
from virtscope.cli.text import plain
from virtscope.exposition import web_config
from virtscope.exposition.board import Board
from virtscope.exposition.listener import Listener
from virtscope.settings.agent import AgentSettings


def run(settings: AgentSettings) -> None:
    """Serve ``/metrics`` until told to stop (SIGINT, SIGTERM).

    Raises:
        BadInput: the address, the configuration or a source of hosts makes no sense.
    """
    console = Console(stderr=True)
    handler = RichHandler(console=console, show_path=False, markup=False, log_time_format="%H:%M:%S")
    logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(message)s")
    board = Board()
    watching, config = settings.watching, settings.web_config
    listener = Listener(board, str(settings.metrics), web_config.load(config) if config else None, settings.dialect)
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ended.set())
    following = collector.follow(watching, board, board)
    listener.start()
    try:
        address = listener.url
        console.print(Text.assemble(("virtscope agent ", "bold"), f"{__version__} is at ", (address, "bold cyan")))
        for watched in (*(uri.text for uri in watching.uris), *watching.sources):
            writes = ", ".join(sorted(watching.allowed_on(watched)))
            console.print(Text(f"  watches {plain(watched)}" + (f", and may write: {writes}" if writes else "")))
        console.print(Text("  Ctrl-C ends it.", "dim"))
        ended.wait()
    finally:
        listener.stop()
        following.stop()
    console.print(Text("virtscope agent has ended.", "dim"))
