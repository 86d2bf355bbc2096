"""``virtscope simulate``: a server that watches a fleet that does not exist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def simulate(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Where samples go; a folder of their own.")],
    hosts: Annotated[int, typer.Option(min=1, max=10_000, help="How many hosts there are.")] = 4,
    domains: Annotated[int, typer.Option(min=0, max=1_000_000, help="How many domains, spread over them.")] = 100,
    interval: Annotated[float, typer.Option(min=0.2, max=300, help="Seconds between two samples of a host.")] = 10.0,
    seed: Annotated[int, typer.Option(help="Another fleet.")] = 1,
    listen: Annotated[str, typer.Option(help="Where the page and the API are.")] = "127.0.0.1:8420",
) -> None:
    """Serve the page and the API of a simulated fleet, until Ctrl-C: to size a server, and to look around.

    Example: virtscope simulate --data /tmp/simulated --hosts 40 --domains 2000
    """
    from dataclasses import replace

    from virtscope.cli import serve
    from virtscope.settings import resolve
    from virtscope.settings.server import SERVER, ServerSettings
    from virtscope.simulation.feeding import Feeding

    given = {"data": str(data.absolute()), "listen": listen, "agents-listen": "", "interval": f"{interval:g}s"}
    settings = replace(ServerSettings.of(resolve(SERVER, {}, {}, given)), demo=True)
    serve.simulation(settings, Feeding(hosts, domains, seed))
