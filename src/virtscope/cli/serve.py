"""``virtscope up`` and ``virtscope server`` on the command line: said what goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from virtscope import logs
from virtscope.cli.greeting import Greeting
from virtscope.errors import VirtscopeError
from virtscope.settings.server import ServerSettings

if TYPE_CHECKING:
    from virtscope.server.process import Follow


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


def simulation(settings: ServerSettings, follow: Follow) -> None:
    """Run a server whose hosts are simulated until told to stop. Raises as ``server`` does."""
    _serve(settings, "virtscope", follow)


def _serve(settings: ServerSettings, name: str, follow: Follow | None = None) -> None:
    try:
        from virtscope.agent import following
        from virtscope.server import process
    except ModuleNotFoundError as missing:
        raise VirtscopeError(
            f"the server needs the library {missing.name!r}, which is not installed",
            "Install all of them: pip install 'virtscope[server]'",
        ) from None
    logs.begin(settings.log_format, settings.log_level)
    greeting = Greeting(settings.log_format)
    told = [Text(f"  keeps   {settings.data}, every sample for {settings.retention.raw_days} days")]
    if settings.demo:
        told.append(Text("  This is a demo: tiny guests in a lab on this machine.", "yellow"))

    def ready(address: str, agents: str | None, secret: str | None) -> None:
        if agents:
            told.append(Text(f"  takes   agents' deliveries at {agents} ('virtscope token create' enrols a host)"))
        greeting.begins(name, address, settings.watching, *told, *_bootstrap(secret, settings))

    process.run(settings, ready, follow or following.follow)
    greeting.ended(name)


def _bootstrap(secret: str | None, settings: ServerSettings) -> list[Text]:
    """How the first admin is made. The secret itself is for a person's eyes, never for a log."""
    if secret is None:
        return []
    if logs.for_people(settings.log_format):
        return [
            Text("  Nobody can sign in yet. On the page, make the first admin with this secret:", "yellow"),
            Text(f"  {secret}", "bold"),
        ]
    return [
        Text(f"  nobody can sign in yet: the secret for the first admin is in {settings.data / 'bootstrap-secret'}")
    ]
