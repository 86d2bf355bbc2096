"""Arguments and options that commands share, so that they are called the same everywhere."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from virtscope.cli import completion
from virtscope.cli.formats import FORMATS, Format, form

Connect = Annotated[
    Optional[list[str]],  # noqa: UP045  # typer reads it at run time
    typer.Option("--connect", "-c", metavar="URI", help="Ask this hypervisor directly, no server needed; repeatable."),
]
Address = Annotated[
    str,
    typer.Option(
        "--server",
        "-s",
        metavar="URL",
        envvar="VIRTSCOPE_SERVER",
        help="The server to ask: https://…, http://… or unix:/…/server.sock. \\[default: the context's]",
        show_default=False,
    ),
]
Output = Annotated[
    Format,
    typer.Option("--output", "-o", metavar="FORMAT", parser=form, help=f"How to write the answer: {FORMATS}."),
]
Interval = Annotated[
    float,
    typer.Option(
        "--interval",
        "-i",
        min=0.2,
        max=3600,
        help="Seconds between two samples of a host, and between two answers of --watch.",
    ),
]
Since = Annotated[str, typer.Option(metavar="TIME", help="From when: 30m, 2h, 7d ago, or a date.")]
Until = Annotated[str, typer.Option(metavar="TIME", help="Up to when. [default: now]")]
Name = Annotated[str, typer.Argument(help="Name, UUID or id.")]
DomainName = Annotated[str, typer.Argument(help="Name, UUID or id.", autocompletion=completion.domains)]
HostName = Annotated[str, typer.Argument(help="Name, UUID or id.", autocompletion=completion.hosts)]
Search = Annotated[
    str,
    typer.Option("--filter", "-l", metavar="SEARCH", help="Only what this finds, as 'host:a cpu>80 state:running'."),
]
SortBy = Annotated[
    str, typer.Option("--sort-by", metavar="FIELD", help="Sort by this field; -FIELD from the highest down.")
]
NoHeaders = Annotated[bool, typer.Option("--no-headers", help="No titles above tables and CSV.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Answer again and again, until Ctrl-C.")]
