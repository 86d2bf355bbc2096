"""``virtscope top`` and ``doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from virtscope.cli.arguments import Address, Connect, Output, Search
from virtscope.cli.formats import Format, Watched, form


def top(  # an option each
    kind: Annotated[Watched, typer.Argument(help="What is listed at first.", show_default=True)] = Watched.DOMAINS,
    connect: Connect = None,
    server: Address = "",
    interval: Annotated[
        float, typer.Option("--interval", "-i", "-d", min=0.5, max=60, help="Seconds between two rounds.")
    ] = 2.0,
    search: Search = "",
    sort_by: Annotated[str, typer.Option("--sort-by", metavar="COLUMN", help="Sort by this column at first.")] = "",
    batch: Annotated[bool, typer.Option("--batch", "-b", help="Write tables, one below the other, no screen.")] = False,
    iterations: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option("--iterations", "-n", min=1, help="End after so many rounds (without a screen)."),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="One table: as -b -n 1.")] = False,
    csv: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--csv", metavar="FILE", help="Write every round into a file of CSV."),
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="A line of JSON each round: as -b -o json.")] = False,
    output: Annotated[
        Format, typer.Option("--output", "-o", parser=form, help="How rounds are written in batch mode.")
    ] = Format.TABLE,
) -> None:
    """The fleet, live: hosts, domains, disks, interfaces and alerts; '?' tells the keys.

    Examples:
      virtscope top --connect qemu:///system
      virtscope top disks -l 'project:web write>1M'
      virtscope top -b -n 3 --csv figures.csv
    """
    from virtscope.cli import live, reach

    written = Format.JSON if stream else output
    plain = batch or once or stream or csv is not None or iterations is not None or written is not Format.TABLE
    with reach.source(connect, server, interval) as source:
        rounds = live.Rounds(1 if once else iterations, written, csv) if plain else None
        live.run(source, kind.value, search, sort_by, interval, rounds)


def doctor(
    connect: Connect = None,
    server: Address = "",
    output: Output = Format.TABLE,
    data: Annotated[Optional[Path], typer.Option(metavar="DIR", help="The data folder to look at.")] = None,  # noqa: UP045
    state: Annotated[Optional[Path], typer.Option(metavar="DIR", help="The agent's folder to look at.")] = None,  # noqa: UP045
) -> int:
    """Tell what works, what does not, and how to mend it.

    Example: virtscope doctor --connect qemu:///system
    """
    from virtscope.cli import examine
    from virtscope.cli import output as out
    from virtscope.cli.connection import default_data_folder

    return examine.run(
        out.console(output), connect or ["qemu:///system"], server, data or default_data_folder(), state, output
    )
