"""``virtscope up`` on the command line: settings checked, and said what goes on."""

from __future__ import annotations

import logging
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler
from rich.text import Text

from virtscope import __version__
from virtscope.agent.settings import Watching
from virtscope.cli.text import plain
from virtscope.errors import BadInput, VirtscopeError


def serve(*, watching: Watching, listen: str, data: Path, keep_days: int, demo: bool) -> None:
    """Run server and collectors until told to stop.

    Raises:
        BadInput: a URI or the address makes no sense, or the port is in use.
        StoreError: the data folder cannot be used.
        VirtscopeError: the server's libraries are not installed.
    """
    try:
        from virtscope.server import up
    except ModuleNotFoundError as missing:
        raise VirtscopeError(
            f"the server needs the library {missing.name!r}, which is not installed",
            "Install all of them: pip install 'virtscope[server]'",
        ) from None
    console = Console(stderr=True)
    handler = RichHandler(console=console, show_path=False, markup=False, log_time_format="%H:%M:%S")
    logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(message)s")
    settings = up.Settings(watching, _address(listen), data, keep_days, demo)

    def ready(address: str, secret: str | None) -> None:
        console.print(Text.assemble(("virtscope ", "bold"), f"{__version__} is at ", (address, "bold cyan")))
        for watched in (*(uri.text for uri in watching.uris), *watching.sources):
            writes = ", ".join(sorted(watching.allowed_on(watched)))
            console.print(Text(f"  watches {plain(watched)}" + (f", and may write: {writes}" if writes else "")))
        console.print(Text(f"  keeps   {data}, every sample for {keep_days} days"))
        if demo:
            console.print(Text("  This is a demo: tiny guests in a lab on this machine.", "yellow"))
        if secret:
            console.print(
                Text("  Nobody can sign in yet. On the page, make the first admin with this secret:", "yellow")
            )
            console.print(Text(f"  {secret}", "bold"))
        console.print(Text("  Ctrl-C ends it.", "dim"))

    up.run(settings, ready)
    console.print(Text("virtscope has ended.", "dim"))


def _address(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise BadInput(f"cannot listen on {listen!r}", "Give an address and a port, as --listen 127.0.0.1:8420")
    return host.strip("[]") or "127.0.0.1", int(port)
