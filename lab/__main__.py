"""``python -m lab``: the lab from the command line."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated

import libvirt
import typer

from lab.demo import fleet
from lab.errors import LabError
from lab.lab import DEFAULT_ROOT, Lab

app = typer.Typer(help="Real libvirt hosts with tiny guests, on this machine.", no_args_is_help=True)
Root = Annotated[Path, typer.Option(help="The lab's folder; each has a lab of its own.", envvar="VIRTSCOPE_LAB")]


@app.command()
def up(
    hosts: Annotated[int, typer.Option(min=1, max=20, help="How many hosts.")] = 2,
    guests: Annotated[int, typer.Option(min=0, max=60, help="How many guests, dealt out among the hosts.")] = 4,
    bare: Annotated[int, typer.Option(min=0, max=300, help="Paused domains on each host besides.")] = 0,
    root: Root = DEFAULT_ROOT,
) -> None:
    """Bring a lab up."""
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"  {time.monotonic() - began:5.1f} s  {line}", file=sys.stderr, flush=True)

    Lab(root).up(fleet(hosts, guests, bare), say)


@app.command()
def down(root: Root = DEFAULT_ROOT) -> None:
    """Take the lab down."""
    Lab(root).down()


@app.command()
def status(
    root: Root = DEFAULT_ROOT, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False
) -> None:
    """Tell what is up."""
    hosts = Lab(root).hosts
    guests = {host.name: dict(host.guests()) if host.libvirtd else {} for host in hosts}
    if as_json:
        keys = ("name", "uuid", "uri", "libvirtd")
        found = [{key: getattr(host, key) for key in keys} | {"guests": guests[host.name]} for host in hosts]
        print(json.dumps(found, indent=2))
        return
    if not hosts:
        print("no lab is up")
    for host in hosts:
        print(f"{host.name}  libvirtd {host.libvirtd or 'stopped'}  {host.uri}")
        for name, state in guests[host.name].items():
            print(f"  {name:12} {state}")


@app.command()
def uris(root: Root = DEFAULT_ROOT) -> None:
    """Print the connection URI of each host, one a line."""
    hosts = Lab(root).hosts
    if not hosts:
        raise LabError("no lab is up")
    for host in hosts:
        print(host.uri)


def main() -> int:
    """Run; an error is a sentence."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    try:
        app(standalone_mode=True, prog_name="python -m lab")
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
    except libvirt.libvirtError as error:
        print(f"lab: libvirt: {error}", file=sys.stderr)
    sys.stderr.flush()
    os._exit(1)


if __name__ == "__main__":
    main()
