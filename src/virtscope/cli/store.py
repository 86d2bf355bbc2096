"""``virtscope store``: what the store holds."""

from __future__ import annotations

import typer

from virtscope.cli.formats import Format
from virtscope.cli.people import Address, Output
from virtscope.cli.source import Server

stores = typer.Typer(
    help="The store of a server: what it holds, and whether all of it can be read.", no_args_is_help=True
)


@stores.command("show")
def show(server: Address = "", output: Output = Format.TABLE) -> None:
    """What the store holds of each level, from when to when, and how large that is."""
    from virtscope.cli import columns
    from virtscope.cli import output as out

    out.write(out.console(output), Server(server).get("health")["store"], columns.STORE, output)
