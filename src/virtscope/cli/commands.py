"""The commands and their options."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

from virtscope import __version__
from virtscope.agent import uri
from virtscope.cli.output import Format
from virtscope.cli.source import Server, Source

app = typer.Typer(
    name="virtscope",
    help="See a fleet of KVM/libvirt hosts: every domain, disk and interface, live, stored and explained.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
lists = typer.Typer(help="List hosts, domains, disks or interfaces with their figures.", no_args_is_help=True)
shows = typer.Typer(help="Show one host or domain with everything known of it.", no_args_is_help=True)
app.add_typer(lists, name="list")
app.add_typer(shows, name="show")

Connect = Annotated[
    Optional[list[str]],  # noqa: UP045  # typer reads it at run time
    typer.Option("--connect", "-c", metavar="URI", help="Ask this hypervisor directly, no server needed; repeatable."),
]
Address = Annotated[
    str, typer.Option("--server", "-s", metavar="URL", envvar="VIRTSCOPE_SERVER", help="The server to ask.")
]
Output = Annotated[Format, typer.Option("--output", "-o", help="How to write the answer.")]
Interval = Annotated[
    float, typer.Option("--interval", "-i", min=0.2, max=3600, help="Seconds between two samples of a host.")
]
Name = Annotated[str, typer.Argument(help="Name, UUID or id.")]
HERE = "http://127.0.0.1:8420"


def _print_version(wanted: bool) -> None:
    if wanted:
        Console().print(f"virtscope {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def virtscope(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """See a fleet of KVM/libvirt hosts: every domain, disk and interface, live, stored and explained."""


@app.command()
def up(
    connect: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--connect", "-c", metavar="URI", help="A hypervisor to watch; repeatable. [default: this machine's]"
        ),
    ] = None,
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Where the page and the API are served.")
    ] = "127.0.0.1:8420",
    data: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="DIR", help="Where samples are kept. [default: ~/.local/state/virtscope]"),
    ] = None,
    interval: Interval = 5.0,
    keep_days: Annotated[int, typer.Option(min=1, max=3650, help="Days for which every sample is kept.")] = 14,
    demo: Annotated[bool, typer.Option("--demo", help="Say on the page that the hosts are a lab.")] = False,
) -> None:
    """Watch hypervisors and serve the page and the API, until Ctrl-C."""
    from virtscope.cli import serve

    serve.serve(
        uris=connect or ["qemu:///system"],
        listen=listen,
        data=data or serve.default_data_folder(),
        interval=interval,
        keep_days=keep_days,
        demo=demo,
    )


@lists.command("hosts")
def list_hosts(
    connect: Connect = None, server: Address = HERE, output: Output = Format.TABLE, interval: Interval = 2.0
) -> None:
    """Hosts: state, CPU, memory, load, domains."""
    from virtscope.cli import columns
    from virtscope.cli import output as out

    with _source(connect, server, interval) as source:
        out.write(out.console(output), source.hosts(), columns.HOSTS, output)


@lists.command("domains")
def list_domains(
    connect: Connect = None,
    server: Address = HERE,
    output: Output = Format.TABLE,
    interval: Interval = 2.0,
    host: Annotated[str, typer.Option(help="Only domains of this host.")] = "",
    state: Annotated[str, typer.Option(help="Only domains in this state, as 'running' or 'shut off'.")] = "",
) -> None:
    """Domains: state, CPU, steal, memory, disk and network rates."""
    from virtscope.cli import columns
    from virtscope.cli import output as out

    with _source(connect, server, interval) as source:
        wanted = source.host(host)["id"] if host else None
        found = [
            domain
            for domain in source.domains()
            if (wanted is None or domain["host"] == wanted) and (not state or domain["state"] == state)
        ]
        out.write(out.console(output), found, columns.DOMAINS, output)


@lists.command("disks")
def list_disks(
    connect: Connect = None, server: Address = HERE, output: Output = Format.TABLE, interval: Interval = 2.0
) -> None:
    """Disks of all domains: rates, latencies, sizes."""
    from virtscope.cli import columns
    from virtscope.cli import output as out

    with _source(connect, server, interval) as source:
        out.write(out.console(output), source.disks(), columns.DISKS, output)


@lists.command("nics")
def list_nics(
    connect: Connect = None, server: Address = HERE, output: Output = Format.TABLE, interval: Interval = 2.0
) -> None:
    """Network interfaces of all domains: rates, errors, drops, filters."""
    from virtscope.cli import columns
    from virtscope.cli import output as out

    with _source(connect, server, interval) as source:
        out.write(out.console(output), source.nics(), columns.NICS, output)


@shows.command("host")
def show_host(
    name: Name,
    connect: Connect = None,
    server: Address = HERE,
    output: Output = Format.TABLE,
    interval: Interval = 2.0,
) -> None:
    """One host with all its figures and its domains."""
    from virtscope.cli import output as out
    from virtscope.cli import portrait

    with _source(connect, server, interval) as source:
        host = source.host(name)
        domains = [domain for domain in source.domains() if domain["host"] == host["id"]]
        out.write_one(out.console(output), host, portrait.host(host, domains), output)


@shows.command("domain")
def show_domain(
    name: Name,
    connect: Connect = None,
    server: Address = HERE,
    output: Output = Format.TABLE,
    interval: Interval = 2.0,
) -> None:
    """One domain with all its figures, vCPUs, disks and interfaces."""
    from virtscope.cli import output as out
    from virtscope.cli import portrait

    with _source(connect, server, interval) as source:
        domain = source.domain(name)
        out.write_one(out.console(output), domain, portrait.domain(domain), output)


@app.command()
def top(
    connect: Connect = None,
    server: Address = HERE,
    interval: Interval = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Draw one table and end.")] = False,
) -> None:
    """Domains by CPU use, again and again, until Ctrl-C."""
    from virtscope.cli import live_table
    from virtscope.cli import output as out

    with _source(connect, server, interval) as source:
        live_table.run(source, out.console(), interval, once=once)


@app.command()
def doctor(
    connect: Connect = None,
    server: Address = HERE,
    data: Annotated[Optional[Path], typer.Option(metavar="DIR", help="The data folder to look at.")] = None,  # noqa: UP045
) -> int:
    """Tell what works, what does not, and how to mend it."""
    from virtscope.cli import examine, serve
    from virtscope.cli import output as out

    return examine.run(out.console(), connect or ["qemu:///system"], server, data or serve.default_data_folder())


@contextmanager
def _source(connect: list[str] | None, server: str, interval: float) -> Iterator[Source]:
    """The hypervisors named, or else the server."""
    if not connect:
        yield Server(server)
        return
    from virtscope.cli.direct import Direct

    direct = Direct(uri.parse_all(connect), interval)
    try:
        direct.wait()
        yield direct
    finally:
        direct.close()
