"""``virtscope show``, ``filters``, ``xml`` and ``dump-xml``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from virtscope.cli import completion
from virtscope.cli.arguments import Address, Connect, DomainName, HostName, Interval, Output
from virtscope.cli.asked import Asked, lists
from virtscope.cli.formats import Format

shows = typer.Typer(help="Show one host or domain with everything known of it.", no_args_is_help=True)
filters = typer.Typer(help="Network filters: which there are, and what they come to.", no_args_is_help=True)


@shows.command("host")
def show_host(
    name: HostName,
    connect: Connect = None,
    server: Address = "",
    output: Output = Format.TABLE,
    interval: Interval = 2.0,
) -> None:
    """One host with all its figures and its domains.

    Example: virtscope show host alpha
    """
    from virtscope.cli import output as out
    from virtscope.cli import portrait, reach

    with reach.source(connect, server, interval) as source:
        host = source.host(name)
        domains = [domain for domain in source.items("domains") if domain["host"] == host["id"]]
        out.write_one(out.console(output), host, portrait.host(host, domains), output)


@shows.command("domain")
def show_domain(
    name: DomainName,
    connect: Connect = None,
    server: Address = "",
    output: Output = Format.TABLE,
    interval: Interval = 2.0,
) -> None:
    """One domain with all its figures, vCPUs, disks and interfaces.

    Example: virtscope show domain web-1 -o yaml
    """
    from virtscope.cli import output as out
    from virtscope.cli import portrait, reach

    with reach.source(connect, server, interval) as source:
        domain = source.domain(name)
        out.write_one(out.console(output), domain, portrait.domain(domain), output)


@filters.command("list")
@lists
def filters_list(asked: Asked, connect: Connect = None, server: Address = "") -> None:
    """All network filters, as 'virtscope list filters'.

    Example: virtscope filters list -l chain:ipv4
    """
    from virtscope.cli import list_commands

    list_commands.write("filters", asked, connect, server)


@filters.command("show")
def filters_show(
    name: Annotated[str, typer.Argument(help="Name or UUID.", autocompletion=completion.filters)],
    host: Annotated[str, typer.Option(help="The filter of this host, where several have one of that name.")] = "",
    connect: Connect = None,
    server: Address = "",
    output: Output = Format.TABLE,
) -> None:
    """One filter with all it includes, and its history.

    Example: virtscope filters show clean-traffic
    """
    from virtscope.cli import filter_view, reach
    from virtscope.cli import output as out

    with reach.source(connect, server, 1.0) as source:
        item = source.filter(name, host)
        out.write_one(out.console(output), item, filter_view.one(item), output)


@filters.command("tree")
def filters_tree(
    domain: DomainName, connect: Connect = None, server: Address = "", output: Output = Format.TABLE
) -> None:
    """The filter behind each interface of a domain, whole, with the interface's values filled in.

    Example: virtscope filters tree web-1
    """
    from virtscope.cli import filter_view, reach
    from virtscope.cli import output as out

    with reach.source(connect, server, 1.0) as source:
        item = source.guards(domain)
        out.write_one(out.console(output), item, filter_view.guards(item), output)


def xml(  # an option each
    name: DomainName,
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
    """A domain's XML, now or then, or what has changed in it.

    Example: virtscope xml web-1 --at 2h --diff
    """
    from virtscope.cli import configuration, reach, times
    from virtscope.cli import output as out

    field = "persistent_xml" if persistent else "xml"
    with reach.source(connect, server, 1.0) as source:
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


def dump_xml(
    folder: Annotated[Path, typer.Option("--dir", metavar="DIR", help="Where the files go; made where it is missing.")],
    connect: Connect = None,
    server: Address = "",
) -> None:
    """Write every domain's XML into a folder, as UUID.xml, and an index of their names.

    Example: virtscope dump-xml --dir /backup/domains
    """
    from rich.console import Console
    from rich.progress import track

    from virtscope.cli import configuration, reach
    from virtscope.cli.saying import say

    told = Console(stderr=True)
    with reach.source(connect, server, 1.0) as source:
        count = configuration.dump(
            source, folder, lambda items: track(list(items), "domains", console=told, transient=True)
        )
    say(f"{count} domains written to {folder}")
