"""``virtscope token``, ``virtscope agents`` and, on a host, ``virtscope enrol``."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Annotated, Optional
from urllib.parse import quote

import typer

from virtscope.cli.arguments import Address
from virtscope.cli.asked import Asked, lists
from virtscope.errors import BadInput

tokens = typer.Typer(help="Enrolment tokens: each lets one host in, once.", no_args_is_help=True)
agents = typer.Typer(help="Agents: which there are, how they do, and letting them in no more.", no_args_is_help=True)

VARIABLE = "VIRTSCOPE_ENROL_TOKEN"
Agent = Annotated[str, typer.Argument(help="Name or id.")]


@tokens.command("create")
def create(
    server: Address = "",
    name: Annotated[str, typer.Option(help="What the host will be called. [default: its host name]")] = "",
    ttl: Annotated[str, typer.Option(metavar="TIME", help="For how long the token is good: 30m, 2h, 7d.")] = "30m",
) -> None:
    """Print the one line to paste on a host in order to enrol it.

    Example: virtscope token create --name host-1 --ttl 2h
    """
    from virtscope.cli import times
    from virtscope.cli.source import Server

    made = Server(server).send("POST", "enrolment-tokens", {"name": name or None, "ttl": times.span(ttl)})
    sys.stdout.write(f"{made['command']}\n")
    if sys.stderr.isatty():
        sys.stderr.write(f"Good for one host, until {times.shown(made['expires'])}. Token {made['id']}.\n")


@tokens.command("list")
@lists
def list_tokens(
    asked: Asked,
    server: Address = "",
) -> None:
    """Tokens: open, used, expired or withdrawn; never their secrets.

    Example: virtscope token list -l state:open
    """
    from virtscope.cli import columns, listing
    from virtscope.cli.source import Server

    listing.write(lambda: Server(server).get("enrolment-tokens")["tokens"], columns.TOKENS, asked)


@tokens.command("withdraw")
def withdraw(token: Annotated[str, typer.Argument(help="The token's id.")], server: Address = "") -> None:
    """Make a token useless.

    Example: virtscope token withdraw 1a2b3c
    """
    from virtscope.cli.source import Server

    Server(server).send("DELETE", f"enrolment-tokens/{quote(token, safe='')}")


@agents.command("list")
@lists
def list_agents(
    asked: Asked,
    server: Address = "",
) -> None:
    """Agents: state, lag, backlog, clock, what they had to drop, version, certificate.

    Example: virtscope agents list -l -state:up -o wide
    """
    from virtscope.cli import columns, listing
    from virtscope.cli.source import Server

    listing.write(lambda: Server(server).get("agents")["agents"], columns.AGENTS, asked, "agents")


@agents.command("revoke")
def revoke(agent: Agent, server: Address = "") -> None:
    """Let an agent in no more, from its next request on.

    Example: virtscope agents revoke host-1
    """
    from virtscope.cli.source import Server

    Server(server).send("DELETE", f"agents/{quote(agent, safe='')}")


@agents.command("rename")
def rename(agent: Agent, name: Annotated[str, typer.Argument(help="The new name.")], server: Address = "") -> None:
    """Call an agent something else.

    Example: virtscope agents rename host-1 rack2-host-1
    """
    from virtscope.cli.source import Server

    Server(server).send("PATCH", f"agents/{quote(agent, safe='')}", {"name": name})


def enrol(
    server: Annotated[str, typer.Argument(metavar="URL", help="The server, as https://virtscope.example.org:8421.")],
    token: Annotated[
        str,
        typer.Argument(
            help=f"The token; - (or nothing) reads it from {VARIABLE} or standard input, so that nobody on the host"
            " sees it among the arguments."
        ),
    ] = "-",
    name: Annotated[str, typer.Option(help="What this host is called. [default: its host name]")] = "",
    identity: Annotated[
        Optional[Path],  # noqa: UP045  # typer reads it at run time
        typer.Option(
            "--state",
            "--identity",
            metavar="DIR",
            help="The agent's folder: where it keeps who it is. [default: /var/lib/virtscope-agent]",
        ),
    ] = None,
) -> None:
    """Enrol this host with a server, with a token of 'virtscope token create'.

    Example: virtscope enrol https://virtscope.example.org:8421 - < token
    """
    from virtscope.agent.enrolment.enrol import enrol as become
    from virtscope.agent.enrolment.identity import FOLDER
    from virtscope.text import plain

    made = become(server, _token(token), name or socket.gethostname(), identity or FOLDER)
    sys.stdout.write(f"This host is agent {plain(made.name)} ({plain(made.agent)}) of {plain(made.server)}.\n")
    state = f" --state {identity}" if identity else ""
    sys.stdout.write(f"Next: systemctl restart virtscope-agent, or without a package: virtscope agent{state}\n")


def _token(given: str) -> str:
    """The token: as an argument, in the environment, or on standard input."""
    if given != "-":
        return given.strip()
    if found := os.environ.get(VARIABLE, "").strip():
        return found
    read: str = typer.prompt("Token", hide_input=True) if sys.stdin.isatty() else sys.stdin.readline(1_000)
    if not read.strip():
        raise BadInput("there is no token on standard input", "'virtscope token create' on the server prints the line.")
    return read.strip()
