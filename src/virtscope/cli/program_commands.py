"""``virtscope up``, ``agent`` and ``server``: their options are their settings."""

from __future__ import annotations

import typer

from virtscope.cli import options
from virtscope.settings import Resolved
from virtscope.settings.agent import AGENT, AgentSettings
from virtscope.settings.agent import here as agent_here
from virtscope.settings.server import SERVER, UP, ServerSettings, server_here, up_here

programs = typer.Typer(help="What runs until it is stopped.")


def _up(resolved: Resolved) -> None:
    from virtscope.cli import serve

    serve.up(ServerSettings.of(resolved))


def _server(resolved: Resolved) -> None:
    from virtscope.cli import serve

    serve.server(ServerSettings.of(resolved))


def _agent(resolved: Resolved) -> None:
    from virtscope.cli import agent

    agent.run(AgentSettings.of(resolved))


options.command(
    programs,
    UP,
    up_here,
    _up,
    "Watch hypervisors and serve the page and the API in one process, until Ctrl-C."
    "\n\nExample: virtscope up --connect qemu:///system --data /tmp/virtscope",
)
options.command(
    programs,
    AGENT,
    agent_here,
    _agent,
    "Watch hypervisors, for a server and for Prometheus, until Ctrl-C."
    "\n\nExample: virtscope agent --connect qemu:///system --metrics 127.0.0.1:9177",
)
options.command(
    programs,
    SERVER,
    server_here,
    _server,
    "Take in what agents deliver, and serve the page and the API, until Ctrl-C."
    "\n\nExample: virtscope server --listen 127.0.0.1:8420 --data /tmp/virtscope",
)
