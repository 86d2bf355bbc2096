"""The commands and their options."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.console import Console

from virtscope import __version__
from virtscope.agent import uri
from virtscope.cli import analyses, enrolment, options, people, store
from virtscope.cli.formats import Format, Watched
from virtscope.cli.people import Address, Output
from virtscope.cli.source import Server, Source
from virtscope.settings import Resolved
from virtscope.settings.agent import AGENT, AgentSettings
from virtscope.settings.agent import here as agent_here
from virtscope.settings.server import SERVER, UP, ServerSettings, server_here, up_here

app = typer.Typer(
    name="virtscope",
    help="See a fleet of KVM/libvirt hosts: every domain, disk and interface, live, stored and explained.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
lists = typer.Typer(help="List hosts, domains, devices, filters, networks, pools or events.", no_args_is_help=True)
shows = typer.Typer(help="Show one host or domain with everything known of it.", no_args_is_help=True)
filters = typer.Typer(help="Network filters: which there are, and what they come to.", no_args_is_help=True)
app.add_typer(lists, name="list")
app.add_typer(shows, name="show")
app.add_typer(filters, name="filters")
app.add_typer(enrolment.tokens, name="token")
app.add_typer(enrolment.agents, name="agents")
app.command()(enrolment.enrol)
people.add_to(app)
analyses.add_to(app)
store.add_to(app)

Connect = Annotated[
    Optional[list[str]],  # noqa: UP045  # typer reads it at run time
    typer.Option("--connect", "-c", metavar="URI", help="Ask this hypervisor directly, no server needed; repeatable."),
]
Interval = Annotated[
    float, typer.Option("--interval", "-i", min=0.2, max=3600, help="Seconds between two samples of a host.")
]
Name = Annotated[str, typer.Argument(help="Name, UUID or id.")]
Search = Annotated[
    str,
    typer.Option("--filter", "-l", metavar="SEARCH", help="Only what this finds, as 'host:a cpu>80 state:running'."),
]


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


def _up(resolved: Resolved) -> None:
    from virtscope.cli import serve

    serve.up(ServerSettings.of(resolved))


def _server(resolved: Resolved) -> None:
    from virtscope.cli import serve

    serve.server(ServerSettings.of(resolved))


def _agent(resolved: Resolved) -> None:
    from virtscope.cli import agent

    agent.run(AgentSettings.of(resolved))


options.command(app, UP, up_here, _up, "Watch hypervisors and serve the page and the API in one process, until Ctrl-C.")
options.command(app, AGENT, agent_here, _agent, "Watch hypervisors, for a server and for Prometheus, until Ctrl-C.")
options.command(
    app, SERVER, server_here, _server, "Take in what agents deliver, and serve the page and the API, until Ctrl-C."
)


@lists.command("hosts")
def list_hosts(
    connect: Connect = None, server: Address = "", output: Output = Format.TABLE, interval: Interval = 2.0
) -> None:
    """Hosts: state, CPU, memory, load, domains."""
    from virtscope.cli import columns
    from virtscope.cli import output as out

    with _source(connect, server, interval) as source:
        out.write(out.console(output), source.items("hosts"), columns.HOSTS, output)


@lists.command("domains")
def list_domains(
    connect: Connect = None,
    server: Address = "",
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
            for domain in source.items("domains")
            if (wanted is None or domain["host"] == wanted) and (not state or domain["state"] == state)
        ]
        out.write(out.console(output), found, columns.DOMAINS, output)


@lists.command("disks")
def list_disks(
    connect: Connect = None, server: Address = "", output: Output = Format.TABLE, interval: Interval = 2.0
) -> None:
    """Disks of all domains: rates, latencies, sizes."""
    from virtscope.cli import columns
    from virtscope.cli import output as out

    with _source(connect, server, interval) as source:
        out.write(out.console(output), source.items("disks"), columns.DISKS, output)


@lists.command("nics")
def list_nics(
    connect: Connect = None, server: Address = "", output: Output = Format.TABLE, interval: Interval = 2.0
) -> None:
    """Network interfaces of all domains: rates, errors, drops, filters."""
    from virtscope.cli import columns
    from virtscope.cli import output as out

    with _source(connect, server, interval) as source:
        out.write(out.console(output), source.items("nics"), columns.NICS, output)


@lists.command("filters")
def list_filters(
    connect: Connect = None, server: Address = "", output: Output = Format.TABLE, interval: Interval = 2.0
) -> None:
    """Network filters: chain, priority, rules, what they include, how many interfaces name them."""
    from virtscope.cli import columns
    from virtscope.cli import output as out

    with _source(connect, server, interval) as source:
        out.write(out.console(output), source.items("filters"), columns.FILTERS, output)


@lists.command("networks")
def list_networks(
    connect: Connect = None, server: Address = "", output: Output = Format.TABLE, interval: Interval = 2.0
) -> None:
    """Virtual networks: state, bridge, and the addresses they have given out."""
    from virtscope.cli import columns
    from virtscope.cli import output as out

    with _source(connect, server, interval) as source:
        out.write(out.console(output), source.items("networks"), columns.NETWORKS, output)


@lists.command("pools")
def list_pools(
    connect: Connect = None, server: Address = "", output: Output = Format.TABLE, interval: Interval = 2.0
) -> None:
    """Storage pools: state, sizes, and what is promised to their volumes' users."""
    from virtscope.cli import columns
    from virtscope.cli import output as out

    with _source(connect, server, interval) as source:
        out.write(out.console(output), source.items("pools"), columns.POOLS, output)


@lists.command("events")
def list_events(  # an option each
    connect: Connect = None,
    server: Address = "",
    output: Output = Format.TABLE,
    interval: Interval = 2.0,
    since: Annotated[str, typer.Option(metavar="TIME", help="From when: 30m, 2h, 7d ago, or a date.")] = "1d",
    until: Annotated[str, typer.Option(metavar="TIME", help="Up to when. [default: now]")] = "",
    host: Annotated[str, typer.Option(help="Only of this host.")] = "",
    domain: Annotated[str, typer.Option(help="Only of this domain.")] = "",
    kind: Annotated[str, typer.Option(help="Only of this kind, as 'started' or 'configuration changed'.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 200,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what happens from now on.")] = False,
) -> None:
    """What happened: starts, stops, crashes, migrations, devices, errors, changes; newest first."""
    from virtscope.cli import columns, times
    from virtscope.cli import output as out
    from virtscope.cli.source import Happened

    which = Happened(times.moment(since), times.moment(until) if until else None, host, domain, kind, limit)
    with _source(connect, server, interval) as source:
        console = out.console(output)
        if not follow:
            out.write(console, source.events(which), columns.EVENTS, output)
            return
        # In the order in which they happened, so that what comes goes on below.
        past = [] if connect else source.events(which)[::-1]
        out.write_lines(console, chain(past, source.follow(which)), columns.EVENTS, output)


@app.command()
def xml(  # an option each
    name: Name,
    at: Annotated[str, typer.Option(metavar="TIME", help="As it was then: 2h (ago), or a date.")] = "",
    diff: Annotated[
        bool, typer.Option("--diff", help="What has changed: since --at, or else from the version before to this one.")
    ] = False,
    persistent: Annotated[
        bool, typer.Option("--persistent", help="What the next start will find, instead of what is true now.")
    ] = False,
    connect: Connect = None,
    server: Address = "",
) -> None:
    """A domain's XML, now or then, or what has changed in it."""
    from virtscope.cli import configuration, times
    from virtscope.cli import output as out

    field = "persistent_xml" if persistent else "xml"
    with _source(connect, server, 1.0) as source:
        console = out.console(Format.TABLE)
        if diff:
            versions = source.history(name)
            pair = (
                (configuration.at(versions, times.moment(at)), versions[-1])
                if at
                else configuration.before_last(versions)
            )
            configuration.write_difference(console, *pair, field)
            return
        found = configuration.at(source.history(name), times.moment(at)) if at else source.domain(name)
        configuration.write(console, found[field] or found["xml"])


@app.command("dump-xml")
def dump_xml(
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where the files go; made where it is missing.")],
    connect: Connect = None,
    server: Address = "",
) -> None:
    """Write every domain's XML into a folder, as UUID.xml, and an index of their names."""
    from rich.progress import track

    from virtscope.cli import configuration

    told = Console(stderr=True)
    with _source(connect, server, 1.0) as source:
        count = configuration.dump(
            source, folder, lambda items: track(list(items), "domains", console=told, transient=True)
        )
    told.print(f"{count} domains written to {folder}", highlight=False, markup=False)


@filters.command("list")
def filters_list(
    connect: Connect = None, server: Address = "", output: Output = Format.TABLE, interval: Interval = 2.0
) -> None:
    """All network filters, as 'virtscope list filters'."""
    list_filters(connect, server, output, interval)


@filters.command("show")
def filters_show(
    name: Name,
    host: Annotated[str, typer.Option(help="The filter of this host, where several have one of that name.")] = "",
    connect: Connect = None,
    server: Address = "",
    output: Output = Format.TABLE,
) -> None:
    """One filter with all it includes, and its history."""
    from virtscope.cli import filter_view
    from virtscope.cli import output as out

    with _source(connect, server, 1.0) as source:
        item = source.filter(name, host)
        out.write_one(out.console(output), item, filter_view.one(item), output)


@filters.command("tree")
def filters_tree(domain: Name, connect: Connect = None, server: Address = "", output: Output = Format.TABLE) -> None:
    """The filter behind each interface of a domain, whole, with the interface's values filled in."""
    from virtscope.cli import filter_view
    from virtscope.cli import output as out

    with _source(connect, server, 1.0) as source:
        item = source.guards(domain)
        out.write_one(out.console(output), item, filter_view.guards(item), output)


@shows.command("host")
def show_host(
    name: Name,
    connect: Connect = None,
    server: Address = "",
    output: Output = Format.TABLE,
    interval: Interval = 2.0,
) -> None:
    """One host with all its figures and its domains."""
    from virtscope.cli import output as out
    from virtscope.cli import portrait

    with _source(connect, server, interval) as source:
        host = source.host(name)
        domains = [domain for domain in source.items("domains") if domain["host"] == host["id"]]
        out.write_one(out.console(output), host, portrait.host(host, domains), output)


@shows.command("domain")
def show_domain(
    name: Name,
    connect: Connect = None,
    server: Address = "",
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
        Format, typer.Option("--output", "-o", help="How rounds are written in batch mode.")
    ] = Format.TABLE,
) -> None:
    """The fleet, live: hosts, domains, disks and interfaces; '?' tells the keys.

    Examples:
      virtscope top --connect qemu:///system
      virtscope top disks -l 'project:web write>1M'
      virtscope top -b -n 3 --csv figures.csv
    """
    from virtscope.cli import live

    form = Format.JSON if stream else output
    plain = batch or once or stream or csv is not None or iterations is not None or form is not Format.TABLE
    with _source(connect, server, interval) as source:
        rounds = live.Rounds(1 if once else iterations, form, csv) if plain else None
        live.run(source, kind.value, search, sort_by, interval, rounds)


@app.command()
def doctor(
    connect: Connect = None,
    server: Address = "",
    data: Annotated[Optional[Path], typer.Option(metavar="DIR", help="The data folder to look at.")] = None,  # noqa: UP045
    state: Annotated[Optional[Path], typer.Option(metavar="DIR", help="The agent's folder to look at.")] = None,  # noqa: UP045
) -> int:
    """Tell what works, what does not, and how to mend it."""
    from virtscope.cli import examine
    from virtscope.cli import output as out
    from virtscope.cli.connection import default_data_folder

    return examine.run(out.console(), connect or ["qemu:///system"], server, data or default_data_folder(), state)


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
