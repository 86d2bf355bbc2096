"""``virtscope sql`` and ``virtscope export``: everybody's own questions to a server's store."""

from __future__ import annotations

import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Optional
from urllib.parse import urlencode

import typer

from virtscope.cli.arguments import Address, NoHeaders, Output, Since, Until
from virtscope.cli.formats import Format
from virtscope.cli.saying import say
from virtscope.cli.source import Server
from virtscope.cli.times import moment, span

Step = Annotated[str, typer.Option(metavar="TIME", help="Of which length a step is, as 5m. [default: one that suits]")]


class File(StrEnum):
    """What an export is written as."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT over the views that docs/sql.md lists; - reads it.")],
    since: Since = "1h",
    until: Until = "",
    step: Step = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many rows.")] = 1_000,
    server: Address = "",
    output: Output = Format.TABLE,
    no_headers: NoHeaders = False,
) -> None:
    """Ask a server's store in SQL: read-only, over views of a range of time.

    Example: virtscope sql 'SELECT name, avg(cpu_ratio) FROM domain_rates JOIN domains USING (domain) GROUP BY name'
    """
    from virtscope.cli import output as out
    from virtscope.cli.columns import Column

    asked: dict[str, Any] = {
        "query": sys.stdin.read() if query == "-" else query,
        "limit": limit,
        **{name: float(value) for name, value in _range(since, until, step).items()},
    }
    found = Server(server).patiently("POST", "sql", asked)
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    columns = [Column(name, lambda row, name=name: row[name]) for name in found["columns"]]  # type: ignore[misc]
    out.write(out.console(output), rows, columns, output, headers=not no_headers)
    if found["is_cut"]:
        say(f"there are more than {limit} rows: --limit has more")


def export(
    scope: Annotated[str, typer.Argument(help="Of what: domain, disk, nic, vcpu, host and so on.")],
    quantity: Annotated[
        Optional[list[str]],  # noqa: UP045  # typer reads it at run time
        typer.Option("--quantity", "-q", help="Only this one; repeatable. [default: all of the scope]"),
    ] = None,
    object: Annotated[  # noqa: A002
        Optional[list[str]],  # noqa: UP045
        typer.Option("--object", help="Only of this host or domain, by name or id; repeatable. [default: all]"),
    ] = None,
    since: Since = "1h",
    until: Until = "",
    step: Step = "",
    form: Annotated[File, typer.Option("--format", "-f", help="What to write.")] = File.CSV,
    file: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--file", metavar="FILE", help="Where to. [default: standard output]"),
    ] = None,
    server: Address = "",
) -> None:
    """Export quantities over a range of time, a row for each object and step.

    Example: virtscope export disk -q read_latency --since 7d --step 5m
    """
    asked = [("scope", scope), ("format", form.value), *_range(since, until, step).items()]
    asked += [("quantity", name) for name in quantity or ()] + [("object", name) for name in object or ()]
    with Server(server).streamed(f"export?{urlencode(asked)}") as content:
        if file is None:
            shutil.copyfileobj(content, sys.stdout.buffer)
        else:
            with file.open("wb") as written:
                shutil.copyfileobj(content, written)


def _range(since: str, until: str, step: str) -> dict[str, str]:
    found = {"start": str(moment(since))}
    found |= {"end": str(moment(until))} if until else {}
    return found | ({"step": str(span(step))} if step else {})
