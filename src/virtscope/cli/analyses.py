"""The commands about analyses."""

from __future__ import annotations

from typing import Annotated, Optional
from urllib.parse import quote

import typer

from virtscope.cli.arguments import Address, Output
from virtscope.cli.formats import Format
from virtscope.cli.source import Item, Server

PATIENCE_SECONDS = 900.0
"""How long an answer of an analysis is waited for."""
Settings = Annotated[
    Optional[list[str]],  # noqa: UP045  # typer reads it at run time
    typer.Option("--set", metavar="KEY=VALUE", help="One of its settings; repeatable. 'virtscope analyze' lists them."),
]


def analyze(  # an option each
    name: Annotated[str, typer.Argument(help="Which analysis. [default: they are listed]", show_default=False)] = "",
    host: Annotated[str, typer.Option(help="Only this host and its domains.")] = "",
    project: Annotated[str, typer.Option(help="Only domains of this project, by name or id.")] = "",
    window: Annotated[str, typer.Option(metavar="DURATION", help="How far to look back, as 7d.")] = "",
    settings: Settings = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Show where nothing is to be done, too.")] = False,
    server: Address = "",
    output: Output = Format.TABLE,
) -> None:
    """Verdicts with evidence: contention, idle domains, sizes, filters and more. Without a name: which there are.

    Example: virtscope analyze idle --window 7d
    """
    from virtscope.cli import analysis_view
    from virtscope.cli import output as out

    asked, console = Server(server, patience=PATIENCE_SECONDS), out.console(output)
    if not name:
        out.write(console, asked.get("analyses")["analyses"], analysis_view.ANALYSES, output)
        return
    query = [("host", host), ("project", project), ("window", window), ("all", "true" if everything else "")]
    query += [("set", one) for one in settings or ()]
    found = _waited_for(asked, f"analyses/{quote(name, safe='')}", [(key, value) for key, value in query if value])
    if output in (Format.TABLE, Format.WIDE):
        console.print(analysis_view.result(found, wide=output is Format.WIDE))
    elif output in (Format.CSV, Format.NAME):
        out.write(console, found["findings"], analysis_view.FINDINGS, output)
    else:
        out.write_one(console, found, "", output)


def _waited_for(server: Server, path: str, query: list[tuple[str, str]]) -> Item:
    """An answer that may take its time; a terminal shows that something is under way."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("analysing"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task("", total=None)
        found: Item = server.get(path, query)
    return found
