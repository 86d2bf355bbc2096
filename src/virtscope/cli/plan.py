"""``virtscope plan``: the analysis of what might be, with options for its questions."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from virtscope.cli.analyses import PATIENCE_SECONDS, Settings, answer
from virtscope.cli.arguments import Address
from virtscope.cli.asked import Asked, lists_once
from virtscope.cli.source import Server


@lists_once
def plan(  # an option each
    asked: Asked,
    dies: Annotated[
        Optional[list[str]],  # noqa: UP045  # typer reads it at run time
        typer.Option(metavar="HOST", help="This host dies; repeatable: all of them at the same time."),
    ] = None,
    more: Annotated[int, typer.Option(min=0, help="So many new domains are to come.")] = 0,
    memory: Annotated[str, typer.Option(metavar="SIZE", help="Memory of a new domain, as 8G.")] = "",
    vcpus: Annotated[int, typer.Option(min=0, help="vCPUs of a new domain; 0 is what most have.")] = 0,
    settings: Settings = None,
    server: Address = "",
) -> None:
    """What if hosts die, what if more domains come, and how many fit.

    Example: virtscope plan --dies alpha --more 10 --memory 8G --vcpus 4
    """
    options = {"dies": " ".join(dies or ()), "more": str(more or ""), "memory": memory, "vcpus": str(vcpus or "")}
    given = [f"{name}={value}" for name, value in options.items() if value]
    query = [("all", "true"), *(("set", one) for one in (*given, *(settings or ())))]
    answer(Server(server, patience=PATIENCE_SECONDS), "plan", query, asked)
