"""``virtscope doctor`` about agents: this host's own by its folder, and all of a server's where an admin asks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from virtscope.agent import spooled
from virtscope.agent.delivery import FOLDER
from virtscope.agent.enrolment import identity
from virtscope.agent.enrolment.identity import Identity
from virtscope.agent.spooled import Spooled
from virtscope.cli.finding import Finding
from virtscope.cli.source import Item
from virtscope.cli.times import shown
from virtscope.errors import EnrolmentError
from virtscope.settings.agent import STATE
from virtscope.settings.folders import state_folder
from virtscope.text import ago, plain, size

_LOG = "Its log says why: journalctl -u virtscope-agent"


def default_folder() -> Path:
    """Where the agent of whoever asks keeps its state."""
    return state_folder(STATE.default, os.environ, root=os.geteuid() == 0)


def of_this_host(state: Path) -> Iterator[Finding]:
    """The agent whose folder this is: who it is, to which server, and what lies in its spool."""
    try:
        known = identity.load(state)
    except EnrolmentError as error:
        if _is_without(state):
            yield Finding("agent", None, f"this host is enrolled with no server ({state})", "Only needed to deliver.")
        else:
            yield Finding("agent", False, str(error), error.hint)
        return
    yield of_identity(known, time.time())
    try:
        yield of_spool(state / FOLDER, spooled.look(state / FOLDER))
    except FileNotFoundError:
        yield Finding("spool", None, f"there is no {state / FOLDER}: its agent never ran", "Start virtscope agent.")
    except OSError as error:
        yield Finding("spool", False, f"cannot read {state / FOLDER}: {error.strerror}", "Ask as root, or as its user.")


def of_identity(known: Identity, now: float) -> Finding:
    """Who the agent is, and whether its certificate is good at a time (Unix seconds)."""
    who = f"{known.name}, of {known.server}; certificate until {shown(known.expires)}"
    if now >= known.expires:
        return Finding("agent", False, f"{who}: expired", "Enrol it again: 'virtscope token create' on the server.")
    if now > known.overdue:
        return Finding("agent", None, f"{who}: it should have been renewed", _LOG)
    return Finding("agent", True, who)


def of_spool(folder: Path, found: Spooled) -> Finding:
    """What lies in a spool."""
    runs = f"process {found.owner} has it" if found.owner else "no agent runs"
    held = f"{found.records:,} batches, {size(found.size)}"
    newest = f", the newest of {ago(found.until / 1000)}" if found.records else ""
    told = f"{folder}: {held}{newest}; {runs}"
    counted = ((found.dropped, "lost"), (found.refused, "refused by the server"), (found.damaged, "files damaged"))
    if wrong := ", ".join(f"{number:,} {what}" for number, what in counted if number):
        return Finding("spool", None, f"{told}; {wrong}", _LOG)
    return Finding("spool", True if found.owner else None, told, "Start it: systemctl start virtscope-agent")


def of_server(agents: Iterable[Item]) -> Iterator[Finding]:
    """Every agent of a server that something is to be said of; else that all is well."""
    enrolled = [agent for agent in agents if agent["state"] != "revoked"]
    remarked = [agent for agent in enrolled if agent["remarks"]]
    for agent in remarked:
        for remark in agent["remarks"]:
            yield Finding(f"agent {plain(agent['name'])}", False if agent["state"] == "expired" else None, remark)
    if enrolled and not remarked:
        yield Finding("agents", True, f"nothing is to be said of any of {len(enrolled)}")


def _is_without(state: Path) -> bool:
    """Whether there is no identity, rather than one that we may not see."""
    return not os.path.lexists(state / identity.FILE) and (not state.exists() or os.access(state, os.X_OK))
