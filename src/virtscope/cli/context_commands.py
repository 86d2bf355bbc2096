"""``virtscope context``: servers and hypervisors by name."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from virtscope.cli import completion
from virtscope.cli.asked import Asked, lists
from virtscope.errors import BadInput

group = typer.Typer(help="Contexts: servers and hypervisors by name, and the one that is asked.", no_args_is_help=True)
Named = Annotated[str, typer.Argument(help="The context's name.", autocompletion=completion.contexts)]


@group.command("list")
@lists
def list_contexts(asked: Asked) -> None:
    """All contexts; a star marks the one in use.

    Example: virtscope context list
    """
    from virtscope.cli import columns, contexts, listing

    def found() -> list[dict[str, object]]:
        kept, used = contexts.load(), contexts.in_use()
        current = used[0] if used else None
        return [
            {
                "name": name,
                "current": name == current,
                "server": context.server or None,
                "connect": list(context.connect),
            }
            for name, context in sorted(kept.contexts.items())
        ]

    listing.write(found, columns.CONTEXTS, asked)


@group.command("use")
def use(name: Named) -> None:
    """Ask this one from now on.

    Example: virtscope context use prod
    """
    from virtscope.cli import contexts

    contexts.save(contexts.load().using(name))


@group.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What it will be called.")],
    server: Annotated[str, typer.Option("--server", "-s", metavar="URL", help="A server.")] = "",
    connect: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--connect", "-c", metavar="URI", help="Or a hypervisor that is asked directly; repeatable."),
    ] = None,
    ca: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="Certificates (PEM) that the server's is verified with."),
    ] = None,
    token_stdin: Annotated[
        bool, typer.Option("--token-stdin", help="Read an API token for the server from standard input.")
    ] = False,
) -> None:
    """Add a context, or change one. The first is in use at once.

    Example: virtscope context add lab --connect qemu+ssh://lab/system
    """
    from virtscope.agent import uri
    from virtscope.cli import contexts, sign_in
    from virtscope.cli.connection import connection

    if bool(server) == bool(connect):
        raise BadInput("a context is a server, or hypervisors", "Give --server URL, or --connect URI once or more.")
    if connect and (ca or token_stdin):
        raise BadInput("certificates and tokens are a server's", "A hypervisor's URI says how it is reached.")
    certificates = str(ca.absolute()) if ca else None
    address = connection(server, certificates).address if server else ""
    made = contexts.Context(address, tuple(one.text for one in uri.parse_all(connect or [])))
    kept = contexts.load().with_one(name, made)
    if token_stdin:
        sign_in.with_token(address, sys.stdin.readline().strip(), certificates)
    elif certificates:
        sign_in.trust(address, certificates)
    contexts.save(kept)


@group.command("remove")
def remove(name: Named) -> None:
    """Forget a context; its token stays until 'virtscope logout'.

    Example: virtscope context remove lab
    """
    from virtscope.cli import contexts

    contexts.save(contexts.load().without(name))
