"""``virtscope backtest``: sizing policies tried on a past, a trace's or that of a server's own fleet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from virtscope.cli.arguments import Address, Output
from virtscope.cli.formats import Format
from virtscope.cli.source import Item, Server
from virtscope.errors import BadInput, VirtscopeError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from virtscope.analysis.backtest import Machine, Outcome
    from virtscope.analysis.trace import Split

_AT_ONCE = 20
"""Domains whose history is asked for at one time."""
_PATIENCE = 300.0
_BAR = 40


class Resource(StrEnum):
    """What is sized."""

    CPU = "cpu"
    MEMORY = "memory"


def backtest(  # an option each
    trace: Annotated[
        Optional[Path],  # noqa: UP045  # typer reads it at run time
        typer.Option(metavar="FILE", help="A trace (Parquet, GWA-T-12). [default: the history of the server]"),
    ] = None,
    resource: Annotated[Resource, typer.Option(help="What is sized.")] = Resource.CPU,
    train: Annotated[int, typer.Option(min=1, max=366, metavar="DAYS", help="Days that sizes are told from.")] = 16,
    test: Annotated[int, typer.Option(min=1, max=366, metavar="DAYS", help="Days after them that judge.")] = 14,
    server: Address = "",
    output: Output = Format.TABLE,
) -> None:
    """What sizing policies would have kept, and how often that had been too little.

    Example: virtscope backtest --train 16 --test 14
    """
    from virtscope.cli import output as out

    try:
        from virtscope.analysis.backtest import replay
        from virtscope.analysis.sizing import CPU, MEMORY
        from virtscope.analysis.trace import Split
    except ModuleNotFoundError as error:
        raise BadInput(
            f"a backtest needs {error.name}, which is not installed", "pip install 'virtscope[analysis]'"
        ) from None
    split = Split(train, test)
    found = _of_trace(trace, resource, split) if trace else _of_server(server, resource, split)
    if not found:
        raise BadInput(
            f"no machine has a history of {train} and {test} days of which half is known",
            "Choose fewer days with --train and --test.",
        )
    is_cpu = resource is Resource.CPU
    # Of CPU a moment's lack is a moment's delay; of memory it ends a process.
    allowed = 0.01 if is_cpu else 0.0
    outcomes = replay(found, CPU if is_cpu else MEMORY, whole=is_cpu, tolerated=allowed)
    policies = [_told(outcome) for outcome in outcomes]
    item: Item = {
        "resource": resource.value,
        "unit": "vcpus" if is_cpu else "bytes",
        "train_days": train,
        "test_days": test,
        "tolerated": allowed,
        "machines": len(found),
        "configured": outcomes[0].configured,
        "policies": policies,
    }
    console = out.console(output)
    if output is Format.CSV:
        out.write(console, policies, _columns(), output)
    else:
        out.write_one(console, item | {"name": resource.value}, _shown(item, outcomes), output)


def _told(outcome: Outcome) -> Item:
    return {
        "policy": outcome.policy,
        "kept": outcome.kept,
        "kept_share": outcome.kept_share,
        "exceeding": outcome.exceeding,
        "risk": outcome.risk,
    }


def _columns() -> Sequence[Any]:
    from virtscope.cli.columns import Column

    return [
        Column(name.upper(), lambda item, name=name: item[name])  # type: ignore[misc]
        for name in ("policy", "kept", "kept_share", "exceeding", "risk")
    ]


def _shown(item: Item, outcomes: Sequence[Outcome]) -> RenderableType:
    """A table with a bar for what each policy keeps, and its risk."""
    from rich import box
    from rich.bar import Bar
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from virtscope import text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, side in (("POLICY", "left"), ("KEPT", "right"), ("", "left"), ("EXCEEDING", "right"), ("RISK", "right")):
        table.add_column(name, justify="right" if side == "right" else "left", no_wrap=True)
    for outcome in outcomes:
        style = "green" if outcome.risk <= 0.01 else "yellow" if outcome.risk <= 0.05 else "red"
        table.add_row(
            outcome.policy,
            f"{outcome.kept_share:.1%}",
            Bar(1.0, 0.0, outcome.kept_share, width=_BAR, color=style),
            f"{outcome.exceeding:,} of {outcome.machines:,}",
            Text(f"{outcome.risk:.1%}", style),
        )
    size = f"{item['configured']:,.0f} vCPUs" if item["unit"] == "vcpus" else text.size(item["configured"])
    often = f"in more than {item['tolerated']:.0%} of the steps" if item["tolerated"] else "at least once"
    head = (
        f"{item['machines']:,} machines with {size}: sized on {item['train_days']} days, judged on {item['test_days']}"
    )
    foot = f"RISK: the share of machines that needed more than they were left {often}."
    return Group(Text(head), table, Text(foot, "dim"))


def _of_trace(file: Path, resource: Resource, split: Split) -> list[Machine]:
    import polars as pl

    from virtscope.analysis.trace import COLUMNS, machines

    try:
        wanted = [name for name in COLUMNS if name in pl.read_parquet_schema(file)]
        table = pl.read_parquet(file, columns=wanted)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise BadInput(f"{file} cannot be read as a trace: {error}", "It has to be a Parquet file.") from None
    return machines(table, resource.value, split)


def _of_server(address: str, resource: Resource, split: Split) -> list[Machine]:
    """The fleet of a server, by its API, a few domains at a time."""
    from rich.console import Console
    from rich.progress import track

    server = Server(address, patience=_PATIENCE)
    names = sorted(domain["id"] for domain in server.items("domains"))
    parts = [names[at : at + _AT_ONCE] for at in range(0, len(names), _AT_ONCE)]
    found: list[Machine] = []
    for part in track(parts, "reading", console=Console(stderr=True), transient=True):
        found += _histories(server, part, resource, split)
    return found


def _histories(server: Server, domains: Sequence[str], resource: Resource, split: Split) -> Iterator[Machine]:
    from virtscope.analysis.trace import STEP, cut

    used, configured = ("cpu_cores", "vcpus") if resource is Resource.CPU else ("memory_used", "memory_current")
    days = split.train_days + split.test_days
    query = [("scope", "domain"), ("quantity", used), ("quantity", configured), ("step", str(int(STEP)))]
    query += [("start", str(-days * 86_400)), *(("object", name) for name in domains)]
    answer = server.get("series", query)
    start, at = answer["start"], answer["times"]
    by_domain: dict[str, dict[str, list[float | None]]] = {}
    for item in answer["series"]:
        by_domain.setdefault(item["object"]["domain"], {})[item["quantity"]] = item["points"]
    for name, values in by_domain.items():
        if used not in values or configured not in values:
            raise VirtscopeError(f"the server does not tell {used} and {configured} of {name}")
        made = cut(name, at, _numbers(values[used]), _numbers(values[configured]), start, split)
        if made is not None:
            yield made


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [float("nan") if value is None else value for value in values]
