"""The commands about analyses."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Literal, Optional
from urllib.parse import quote

import typer

from virtscope.cli.arguments import Address, Since
from virtscope.cli.asked import Asked, lists, lists_once
from virtscope.cli.formats import Format
from virtscope.cli.saying import say
from virtscope.cli.source import Item, Server
from virtscope.errors import BadInput, NotFound

PATIENCE_SECONDS = 900.0
"""How long an answer of an analysis is waited for."""
State = Literal["open", "new", "still", "gone"]
Severity = Literal["ok", "info", "warning", "critical"]
Settings = Annotated[
    Optional[list[str]],  # noqa: UP045  # typer reads it at run time
    typer.Option("--set", metavar="KEY=VALUE", help="One of its settings; repeatable. 'virtscope analyze' lists them."),
]


findings = typer.Typer(help="What scheduled analyses have found: new, still there, gone.", no_args_is_help=True)
Finding = Annotated[str, typer.Argument(help="Its id, as 'virtscope findings list' tells it.")]


@lists_once
def analyze(  # an option each
    asked: Asked,
    name: Annotated[str, typer.Argument(help="Which analysis. [default: they are listed]", show_default=False)] = "",
    host: Annotated[str, typer.Option(help="Only this host and its domains.")] = "",
    project: Annotated[str, typer.Option(help="Only domains of this project, by name or id.")] = "",
    window: Annotated[str, typer.Option(metavar="DURATION", help="How far to look back, as 7d.")] = "",
    settings: Settings = None,
    everything: Annotated[bool, typer.Option("--all", "-a", help="Show where nothing is to be done, too.")] = False,
    server: Address = "",
) -> None:
    """Verdicts with evidence: contention, idle domains, sizes, filters and more. Without a name: which there are.

    Example: virtscope analyze idle --window 7d -l severity:warning
    """
    from virtscope.cli import analysis_view, listing

    of = Server(server, patience=PATIENCE_SECONDS)
    if not name:
        listing.write(lambda: of.get("analyses")["analyses"], analysis_view.ANALYSES, asked)
        return
    query = [("host", host), ("project", project), ("window", window), ("all", "true" if everything else "")]
    query += [("set", one) for one in settings or ()]
    answer(of, name, [(key, value) for key, value in query if value], asked)


def answer(server: Server, name: str, query: list[tuple[str, str]], asked: Asked) -> None:
    """Run an analysis, and write what comes of it as it is wanted."""
    from virtscope.cli import analysis_view
    from virtscope.cli import output as out

    wanted, console = analysis_view.chosen(asked), out.console(asked.output)
    found = _waited_for(server, f"analyses/{quote(name, safe='')}", query)
    found["findings"] = wanted(found["findings"])
    output, headers = asked.output, not asked.no_headers
    if output in (Format.TABLE, Format.WIDE):
        console.print(analysis_view.result(found, wide=output is Format.WIDE, headers=headers))
    elif output in (Format.CSV, Format.NAME):
        out.write(console, found["findings"], analysis_view.FINDINGS, output, headers=headers)
    else:
        out.write_one(console, found, "", output)


@findings.command("list")
@lists
def list_findings(  # an option each
    asked: Asked,
    analysis: Annotated[str, typer.Option(help="Only of this analysis.")] = "",
    state: Annotated[State, typer.Option(help="Which: 'open' is new and still there.")] = "open",
    severity: Annotated[Severity, typer.Option(help="At least so severe.")] = "ok",
    host: Annotated[str, typer.Option(help="Only of this host and its domains.")] = "",
    domain: Annotated[str, typer.Option(help="Only of this domain.")] = "",
    since: Since = "",
    dismissed: Annotated[bool, typer.Option("--dismissed", help="Those that are dismissed.")] = False,
    server: Address = "",
) -> None:
    """What scheduled analyses have found, the most severe first; --since has what came then, or went.

    Example: virtscope findings list --state new --severity warning
    """
    from virtscope.cli import analysis_view, listing, times

    begin = times.moment(since) if since else None
    query = [("analysis", analysis), ("state", state), ("severity", severity), ("host", host), ("domain", domain)]
    query += [("dismissed", "true" if dismissed else ""), ("limit", "10000")]

    def found() -> list[Item]:
        answer = Server(server).get("findings", [(key, value) for key, value in query if value])
        if not answer["runs"]:
            say("no analysis has been run by itself yet; 'virtscope analyze NAME' runs one now")
        return [one for one in answer["findings"] if begin is None or (one["gone"] or one["first"]) >= begin]

    listing.write(found, analysis_view.KEPT, asked, "findings")


@findings.command("dismiss")
def dismiss(
    finding: Finding,
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why nobody needs to hear of it.")],
    until: Annotated[
        str, typer.Option(metavar="TIME", help="Up to when: 30d (from now), or a date. [default: for ever]")
    ] = "",
    server: Address = "",
) -> None:
    """Not hear of a finding any more, until a time.

    Example: virtscope findings dismiss 3f2a91c07be4d815 --reason "a standby" --until 90d
    """
    from virtscope.cli import times

    ends = times.ahead(until) if until else None
    Server(server).send("POST", f"findings/{quote(finding, safe='')}/dismissal", {"reason": reason, "until": ends})
    say(f"{finding} is dismissed" + (f" until {times.shown(ends)}" if ends else ""))


@findings.command("restore")
def restore(finding: Finding, server: Address = "") -> None:
    """Hear of a finding again that was dismissed.

    Example: virtscope findings restore 3f2a91c07be4d815
    """
    Server(server).send("DELETE", f"findings/{quote(finding, safe='')}/dismissal")
    say(f"{finding} is not dismissed any more")


def report(
    file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Argument(help="Where the page is written.", show_default=False),
    ] = None,
    written: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--file", "-o", metavar="FILE", help="The same as FILE.", show_default=False),
    ] = None,
    analysis: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--analysis", "-a", metavar="NAME", help="Only this analysis; repeatable."),
    ] = None,
    host: Annotated[str, typer.Option(help="Only this host and its domains.")] = "",
    project: Annotated[str, typer.Option(help="Only domains of this project, by name or id.")] = "",
    window: Annotated[str, typer.Option(metavar="DURATION", help="How far to look back. [default: each its own]")] = "",
    server: Address = "",
) -> None:
    """Write what every analysis finds now as one HTML page with charts, fit to print.

    Example: virtscope report fleet.html
    """
    from rich.console import Console
    from rich.progress import track

    from virtscope.cli import report as made

    target = file or written
    if target is None or (file and written):
        raise BadInput("one file is wanted, where the page is written", "virtscope report fleet.html")
    asked = Server(server, patience=PATIENCE_SECONDS)
    listed = asked.get("analyses")["analyses"]
    unknown = sorted(set(analysis or ()) - {one["name"] for one in listed})
    if unknown:
        raise NotFound(f"no analysis {unknown[0]!r}", "'virtscope analyze' names them all.")
    wanted = [one for one in listed if not analysis or one["name"] in analysis]
    query = [(key, value) for key, value in (("host", host), ("project", project)) if value]
    asking = made.Asking(asked.get, query, window)
    progress = track(wanted, "analysing", console=Console(stderr=True), transient=True)
    page = made.page(asked.address, time.time(), [asking.section(one) for one in progress])
    try:
        target.write_text(page, encoding="utf-8", errors="replace")
    except OSError as error:
        raise BadInput(f"cannot write {target}: {error.strerror}", "Name another file.") from None
    say(f"{target} is written")


def _waited_for(server: Server, path: str, query: list[tuple[str, str]]) -> Item:
    """An answer that may take its time; a terminal shows that something is under way."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("analysing"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        progress.add_task("", total=None)
        found: Item = server.get(path, query)
    return found
