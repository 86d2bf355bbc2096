"""``virtscope up`` and ``virtscope server`` on the command line: said what goes on."""

from __future__ import annotations

import logging

from rich.console import Console
from rich.logging import RichHandler
from rich.text import Text

from virtscope import __version__
from virtscope.cli.text import plain
from virtscope.errors import VirtscopeError
from virtscope.settings.server import ServerSettings


def up(settings: ServerSettings) -> None:
    """Run server and collectors until told to stop.

    Raises:
        BadInput: the address cannot be listened on.
        StoreError: the data folder cannot be used.
        VirtscopeError: the server's libraries are not installed.
    """
    _serve(settings, "virtscope")


def server(settings: ServerSettings) -> None:
    """Run the server until told to stop.

    Raises:
        BadInput: the address cannot be listened on.
        StoreError: the data folder cannot be used.
        VirtscopeError: the server's libraries are not installed.
    """
    _serve(settings, "virtscope server")


def _serve(settings: ServerSettings, name: str) -> None:
    try:
        from virtscope.server import up as process
    except ModuleNotFoundError as missing:
        raise VirtscopeError(
            f"the server needs the library {missing.name!r}, which is not installed",
            "Install all of them: pip install 'virtscope[server]'",
        ) from None
    console = Console(stderr=True)
    handler = RichHandler(console=console, show_path=False, markup=False, log_time_format="%H:%M:%S")
    logging.basicConfig(level=logging.INFO, handlers=[handler], format="%(message)s")
    watching = settings.watching

    def ready(address: str, secret: str | None) -> None:
        console.print(Text.assemble((f"{name} ", "bold"), f"{__version__} is at ", (address, "bold cyan")))
        for watched in (*(uri.text for uri in watching.uris), *watching.sources):
            writes = ", ".join(sorted(watching.allowed_on(watched)))
            console.print(Text(f"  watches {plain(watched)}" + (f", and may write: {writes}" if writes else "")))
        console.print(Text(f"  keeps   {settings.data}, every sample for {settings.keep_days} days"))
        if settings.demo:
            console.print(Text("  This is a demo: tiny guests in a lab on this machine.", "yellow"))
        if secret:
            console.print(
                Text("  Nobody can sign in yet. On the page, make the first admin with this secret:", "yellow")
            )
            console.print(Text(f"  {secret}", "bold"))
        console.print(Text("  Ctrl-C ends it.", "dim"))

    listen = (settings.listen.host, settings.listen.port)
    process.run(process.Settings(watching, listen, settings.data, settings.keep_days, settings.demo), ready)
    console.print(Text(f"{name} has ended.", "dim"))
