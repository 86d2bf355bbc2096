"""``virtscope top``: domains by CPU use, drawn anew every few seconds."""

from __future__ import annotations

import threading

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from virtscope.cli import columns, output
from virtscope.cli.source import Item, Source
from virtscope.cli.text import plain
from virtscope.errors import ServerError


def run(source: Source, console: Console, interval: float, *, once: bool) -> None:
    """Draw until interrupted. A server that is away for a while leaves the last table, marked as old."""
    shown = draw(source, console.height)
    if once:
        console.print(shown)
        return
    with Live(shown, console=console, screen=True, auto_refresh=False) as live:
        pause = threading.Event()
        while not pause.wait(interval):
            try:
                shown = draw(source, console.height)
                live.update(shown, refresh=True)
            except ServerError as error:
                live.update(Group(Text(f"{error}: these figures are old", style="bold red"), shown), refresh=True)


def draw(source: Source, height: int) -> Group:
    """The hosts in a line, then as many domains as fit, the busiest first."""
    hosts, domains = source.items("hosts"), source.items("domains")
    domains.sort(key=lambda domain: (-(domain["figures"].get("cpu_cores") or 0.0), domain["name"]))
    up = sum(host["state"] == "up" for host in hosts)
    running = sum(domain["state"] == "running" and not domain["stale"] for domain in domains)
    head = Text.assemble(
        (f"{up} of {len(hosts)} hosts up", "green" if up == len(hosts) else "bold red"),
        f" · {running} of {len(domains)} domains running · by CPU · Ctrl-C ends",
    )
    down = [_absent(host) for host in hosts if host["state"] != "up"]
    rows = max(height - 6 - len(down), 5)
    return Group(head, *down, output.Listing(domains[:rows], columns.DOMAINS))


def _absent(host: Item) -> Text:
    reason = host["reason"] or "no answer yet"
    return Text(plain(f"{host['name']} is {host['state']}: {reason}"), style="red", overflow="ellipsis", no_wrap=True)
