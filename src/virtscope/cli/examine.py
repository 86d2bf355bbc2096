"""``virtscope doctor``: what works, what does not, and how to mend it."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from virtscope.agent import uri
from virtscope.catalogue import Group
from virtscope.cli import columns, examine_agents, output
from virtscope.cli.finding import Finding
from virtscope.cli.formats import Format
from virtscope.cli.source import Server
from virtscope.errors import NotAllowed, NotFound, NotSignedIn, VirtscopeError
from virtscope.text import plain, size

LEAST_SPACE = 1024**3
"""Bytes that the data folder's disk should have free."""
CONNECT_SECONDS = 15.0


def run(
    console: Console,
    uris: list[str],
    server: str,
    data: Path,
    state: Path | None = None,
    form: Format = Format.TABLE,
) -> int:
    """Look at everything; the exit status is 1 where something needed does not work."""
    bad = False
    if form not in (Format.TABLE, Format.WIDE):
        found = [asdict(finding) for finding in examine(uris, server, data, state)]
        output.write(console, found, columns.FINDINGS_OF_DOCTOR, form)
        return int(any(finding["good"] is False for finding in found))
    for finding in examine(uris, server, data, state):
        mark, style = {True: ("✓", "green"), False: ("✗", "bold red"), None: ("!", "yellow")}[finding.good]
        console.print(Text.assemble((f"{mark} ", style), (f"{finding.subject}: ", "bold"), plain(finding.detail)))
        if finding.remedy and not finding.good:
            console.print(Text(f"    → {finding.remedy}"))
        bad = bad or finding.good is False
    return int(bad)


def examine(uris: list[str], server: str, data: Path, state: Path | None = None) -> Iterator[Finding]:
    """One finding after another."""
    yield Finding("Python", True, sys.version.split()[0])
    yield _guarded("libvirt library", _library)
    for text in uris:
        yield _guarded(text, lambda text=text: _hypervisor(text))  # type: ignore[misc]
        with suppress(VirtscopeError):
            yield from _memory_figures(text)
    yield _pressure()
    yield from examine_agents.of_this_host(state or examine_agents.default_folder())
    yield _extra("server", ("duckdb", "fastapi", "pyarrow", "uvicorn"))
    yield _folder(data)
    try:
        asked = Server(server)
        info = asked.get("info")
        yield Finding("server", True, f"virtscope {info['version']} answers at {asked.address}")
    except VirtscopeError as error:
        yield Finding("server", None, str(error), "Only needed for commands without --connect: 'virtscope up'.")
        return
    with suppress(NotAllowed, NotFound, NotSignedIn):  # who asks is no admin, or the server takes no agents
        yield from examine_agents.of_server(asked.get("agents")["agents"])


def _guarded(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(plain(subject), True, look())
    except VirtscopeError as error:
        return Finding(plain(subject), False, str(error), error.hint)


def _library() -> str:
    from virtscope.agent import hypervisor

    return f"version {hypervisor.library_version()}"


def _hypervisor(text: str) -> str:
    from virtscope.agent.hypervisor import Hypervisor
    from virtscope.agent.lane import Lane

    parsed = uri.parse(text)
    lane = Lane(text)
    connection = lane.call(lambda: Hypervisor(parsed, lambda _event: None), CONNECT_SECONDS)
    host = lane.call(connection.facts, CONNECT_SECONDS)
    domains = lane.call(lambda: connection.domains([Group.STATE]), CONNECT_SECONDS)
    with suppress(VirtscopeError):
        lane.call(connection.close, 1.0)
    return f"{host.name}, {host.hypervisor}, libvirt {host.libvirt}, {len(domains)} domains"


def _memory_figures(text: str) -> Iterator[Finding]:
    """Which running domains do not tell how much memory they use."""
    from virtscope.agent.hypervisor import Hypervisor
    from virtscope.agent.lane import Lane

    parsed = uri.parse(text)
    if parsed.driver != "qemu":
        return
    lane = Lane(text)
    connection = lane.call(lambda: Hypervisor(parsed), CONNECT_SECONDS)
    found = lane.call(lambda: connection.domains([Group.STATE, Group.BALLOON]), CONNECT_SECONDS)
    running = [domain for domain in found if domain.fields.get("state.state") == 1]
    lacking = [domain.id for domain in running if "balloon.usable" not in domain.fields]
    names = lane.call(lambda: [connection.describe(domain, "") for domain in lacking], CONNECT_SECONDS)
    with suppress(VirtscopeError):
        lane.call(connection.close, 1.0)
    if not lacking:
        yield Finding("memory figures", True, f"all {len(running)} running domains tell them")
        return
    unset = sorted(facts.name for facts in names if facts and not facts.resources.balloon_period)
    silent = sorted(facts.name for facts in names if facts and facts.resources.balloon_period)
    if unset:
        yield Finding(
            "memory figures",
            None,
            f"{len(unset)} running domains have no stats period, so their memory in use is not known: {_some(unset)}",
            "virsh dommemstat DOMAIN --period 10 --live --config for each, or virtscope up --allow-write stats-period",
        )
    if silent:
        yield Finding(
            "memory figures",
            None,
            f"{len(silent)} running domains have a stats period and tell nothing: {_some(silent)}",
            "Their guests lack the virtio balloon driver (Linux: virtio_balloon; Windows: the virtio-win drivers).",
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _pressure() -> Finding:
    if Path("/proc/pressure/cpu").exists():
        return Finding("pressure", True, "/proc/pressure can be read")
    return Finding("pressure", None, "this kernel keeps no pressure figures", "Boot with psi=1 to have them.")


def _extra(name: str, libraries: tuple[str, ...]) -> Finding:
    missing = []
    for library in libraries:
        try:
            importlib.metadata.version(library)
        except importlib.metadata.PackageNotFoundError:
            missing.append(library)
    if missing:
        remedy = f"Only needed for 'virtscope up': pip install 'virtscope[{name}]'"
        return Finding(f"{name} libraries", None, f"missing: {', '.join(missing)}", remedy)
    return Finding(f"{name} libraries", True, ", ".join(libraries))


def _folder(data: Path) -> Finding:
    existing = next(folder for folder in (data, *data.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    detail = f"{data}, {size(free)} free"
    if free < LEAST_SPACE:
        return Finding("data folder", False, detail, "Make room, or choose another folder with --data.")
    return Finding("data folder", True, detail)
