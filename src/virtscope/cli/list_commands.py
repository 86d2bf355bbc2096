"""``virtscope list``, ``events`` and ``stats``."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from virtscope.cli import completion
from virtscope.cli.arguments import Address, Connect, Since, Until
from virtscope.cli.asked import Asked, lists

if TYPE_CHECKING:
    from rich.console import Console

    from virtscope.cli.source import Kind

group = typer.Typer(help="List hosts, domains, devices, filters, networks, pools or events.", no_args_is_help=True)
OfHost = Annotated[str, typer.Option("--host", help="Only of this host.", autocompletion=completion.hosts)]


def _add(kind: Kind, text: str) -> None:
    @group.command(kind, help=text)
    @lists
    def listed(asked: Asked, connect: Connect = None, server: Address = "", host: OfHost = "") -> None:
        write(kind, asked, connect, server, host)


def write(kind: Kind, asked: Asked, connect: list[str] | None, server: str, host: str = "", state: str = "") -> None:
    """Write a list of the fleet's, as ``virtscope list KIND`` does."""
    from virtscope.cli import columns, listing, reach
    from virtscope.cli import output as out

    shown = columns.OF[kind]
    wanted = listing.chosen(asked, listing.fleet_fields(kind, shown))
    with reach.source(connect, server, asked.interval) as source:
        of_host = source.host(host)["id"] if host else None

        def draw(console: Console) -> None:
            items = [
                item
                for item in source.items(kind)
                if (of_host is None or of_host == (item["id"] if kind == "hosts" else item["host"]))
                and (not state or item["state"] == state)
            ]
            found = wanted.of(items, source.items("domains") if wanted.needs_owner else ())
            out.write(console, found, shown, asked.output, headers=not asked.no_headers)

        listing.again(asked, draw)


_add(
    "hosts",
    "Hosts: state, CPU, memory, load, domains."
    "\n\nExample: virtscope list hosts -l 'state:down or cpu>80' --sort-by -cpu",
)


@group.command("domains")
@lists
def list_domains(
    asked: Asked,
    connect: Connect = None,
    server: Address = "",
    host: OfHost = "",
    state: Annotated[str, typer.Option(help="Only domains in this state, as 'running' or 'shut off'.")] = "",
) -> None:
    """Domains: state, CPU, steal, memory, disk and network rates.

    Example: virtscope list domains -l 'state:running cpu>80' --sort-by -cpu -o wide
    """
    write("domains", asked, connect, server, host, state)


_add("disks", "Disks of all domains: rates, latencies, sizes.\n\nExample: virtscope list disks -l 'write>1M' -o csv")
_add(
    "nics",
    "Network interfaces of all domains: rates, errors, drops, filters."
    "\n\nExample: virtscope list nics -l 'filter:unknown' -o jsonpath='{[*].mac}'",
)
_add(
    "filters",
    "Network filters: chain, priority, rules, what they include, how many interfaces name them."
    "\n\nExample: virtscope list filters --sort-by -interfaces",
)
_add(
    "networks",
    "Virtual networks: state, bridge, and the addresses they have given out."
    "\n\nExample: virtscope list networks -o yaml",
)
_add(
    "pools",
    "Storage pools: state, sizes, and what is promised to their volumes' users."
    "\n\nExample: virtscope list pools -l 'used>80'",
)


@lists
def events(  # an option each
    asked: Asked,
    connect: Connect = None,
    server: Address = "",
    since: Since = "1d",
    until: Until = "",
    host: OfHost = "",
    domain: Annotated[str, typer.Option(help="Only of this domain.", autocompletion=completion.domains)] = "",
    kind: Annotated[str, typer.Option(help="Only of this kind, as 'started' or 'configuration changed'.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 200,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens from now on, as --watch does.")
    ] = False,
) -> None:
    """What happened: starts, stops, crashes, migrations, devices, errors, changes; newest first.

    Example: virtscope events --since 2h -l 'kind:crashed or kind:error'
    """
    from virtscope.cli import columns, listing, reach, times
    from virtscope.cli import output as out
    from virtscope.cli.source import Happened

    wanted = listing.chosen(asked, listing.fleet_fields("events", columns.EVENTS))
    which = Happened(times.moment(since), times.moment(until) if until else None, host, domain, kind, limit)
    with reach.source(connect, server, asked.interval) as source:
        console = out.console(asked.output)
        if not follow and not asked.watch:
            found = wanted.of(source.events(which))
            out.write(console, found, columns.EVENTS, asked.output, headers=not asked.no_headers)
            return
        # In the order in which they happened, so that what comes goes on below.
        past = [] if connect else source.events(which)[::-1]
        happened = (item for item in chain(past, source.follow(which)) if wanted.test is None or wanted.test(item))
        out.write_lines(console, happened, columns.EVENTS, asked.output)


group.command("events")(events)


@lists
def stats(  # an option each
    asked: Asked,
    names: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Argument(
            metavar="[DOMAIN]...", help="Which. [default: all]", autocompletion=completion.domains, show_default=False
        ),
    ] = None,
    state: Annotated[bool, typer.Option("--state", help="State and reason.")] = False,
    cpu_total: Annotated[bool, typer.Option("--cpu-total", help="CPU used, steal.")] = False,
    balloon: Annotated[bool, typer.Option("--balloon", help="Memory.")] = False,
    vcpu: Annotated[bool, typer.Option("--vcpu", help="Each vCPU.")] = False,
    interface: Annotated[bool, typer.Option("--interface", help="Each network interface.")] = False,
    block: Annotated[bool, typer.Option("--block", help="Each disk.")] = False,
    iothread: Annotated[bool, typer.Option("--iothread", help="Each I/O thread.")] = False,
    perf: Annotated[bool, typer.Option("--perf", help="Counted events.")] = False,
    connect: Connect = None,
    server: Address = "",
) -> None:
    """Figures of domains, a line each, in groups as 'virsh domstats' has them; rates where virsh has counters.

    Example: virtscope stats --cpu-total --block web-1
    """
    from virtscope.cli import columns, domain_stats, listing, reach

    flags = {
        "state": state,
        "cpu-total": cpu_total,
        "balloon": balloon,
        "vcpu": vcpu,
        "interface": interface,
        "block": block,
        "iothread": iothread,
        "perf": perf,
    }
    groups = [name for name, given in flags.items() if given] or list(flags)
    wanted = listing.chosen(asked, listing.fleet_fields("domains", columns.DOMAINS))
    with reach.source(connect, server, asked.interval) as source:
        listing.again(
            asked,
            lambda console: domain_stats.write(
                console,
                domain_stats.found(source, names or [], wanted, groups),
                asked.output,
                headers=not asked.no_headers,
            ),
        )
