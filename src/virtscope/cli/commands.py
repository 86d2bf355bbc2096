"""The commands: one line each, and where it is made. What a command needs is loaded when it is called."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

SETTINGS = {"help_option_names": ["-h", "--help"]}
ABOUT = "See a fleet of KVM/libvirt hosts: every domain, disk and interface, live, stored and explained."


@dataclass(frozen=True, slots=True)
class Entry:
    """One command, or a group of them."""

    name: str
    place: str
    """Module and attribute: a group (``typer.Typer``), a command of a group (``group#name``), or a function."""
    help: str
    """The first line of its help; a test holds the two together."""


SECTIONS: dict[str, tuple[Entry, ...]] = {
    "Look": (
        Entry("list", "list_commands:group", "List hosts, domains, devices, filters, networks, pools or events."),
        Entry("show", "show_commands:shows", "Show one host or domain with everything known of it."),
        Entry(
            "top",
            "watch_commands:top",
            "The fleet, live: hosts, domains, disks, interfaces and alerts; '?' tells the keys.",
        ),
        Entry(
            "stats",
            "list_commands:stats",
            "Figures of domains, a line each, in groups as 'virsh domstats' has them; rates where virsh has counters.",
        ),
        Entry(
            "events",
            "list_commands:events",
            "What happened: starts, stops, crashes, migrations, devices, errors, changes; newest first.",
        ),
        Entry("xml", "show_commands:xml", "A domain's XML, now or then, or what has changed in it."),
        Entry(
            "dump-xml",
            "show_commands:dump_xml",
            "Write every domain's XML into a folder, as UUID.xml, and an index of their names.",
        ),
        Entry("filters", "show_commands:filters", "Network filters: which there are, and what they come to."),
        Entry("doctor", "watch_commands:doctor", "Tell what works, what does not, and how to mend it."),
    ),
    "Understand": (
        Entry(
            "analyze",
            "analyses:analyze",
            "Verdicts with evidence: contention, idle domains, sizes, filters and more."
            " Without a name: which there are.",
        ),
        Entry("findings", "analyses:findings", "What scheduled analyses have found: new, still there, gone."),
        Entry(
            "report",
            "analyses:report",
            "Write what every analysis finds now as one HTML page with charts, fit to print.",
        ),
        Entry(
            "backtest",
            "backtesting:backtest",
            "What sizing policies would have kept, and how often that had been too little.",
        ),
        Entry("plan", "plan:plan", "What if hosts die, what if more domains come, and how many fit."),
        Entry("alerts", "alerts:app", "Alerts: what fires, the rules, silences, and who is told."),
    ),
    "Run": (
        Entry(
            "up",
            "program_commands:programs#up",
            "Watch hypervisors and serve the page and the API in one process, until Ctrl-C.",
        ),
        Entry(
            "agent",
            "program_commands:programs#agent",
            "Watch hypervisors, for a server and for Prometheus, until Ctrl-C.",
        ),
        Entry(
            "server",
            "program_commands:programs#server",
            "Take in what agents deliver, and serve the page and the API, until Ctrl-C.",
        ),
        Entry("enrol", "enrolment:enrol", "Enrol this host with a server, with a token of 'virtscope token create'."),
    ),
    "Manage a server": (
        Entry("agents", "enrolment:agents", "Agents: which there are, how they do, and letting them in no more."),
        Entry("token", "enrolment:tokens", "Enrolment tokens: each lets one host in, once."),
        Entry("users", "people:users", "Users of a server: who may sign in, and what they may."),
        Entry("api-tokens", "people:api_tokens", "API tokens: what programs show a server instead of a password."),
        Entry(
            "simulate",
            "simulate:simulate",
            "Serve the page and the API of a simulated fleet, until Ctrl-C: to size a server, and to look around.",
        ),
        Entry("sql", "open_data:sql", "Ask a server's store in SQL: read-only, over views of a range of time."),
        Entry(
            "export",
            "open_data:export",
            "Export quantities over a range of time, a row for each object and step.",
        ),
        Entry("store", "store:stores", "The store of a server: what it holds, and whether it can be read."),
        Entry(
            "backup",
            "store:backup",
            "Back up the whole store, with users and keys, while the server goes on."
            " Keep it as secret as the data folder.",
        ),
        Entry(
            "restore",
            "store:restore",
            "Make a data folder out of a backup. The server that is to use it must not run yet.",
        ),
    ),
    "Choose whom to ask": (
        Entry(
            "context",
            "context_commands:group",
            "Contexts: servers and hypervisors by name, and the one that is asked.",
        ),
        Entry("login", "people:login", "Sign in to a server: from then on the commands show it an API token of yours."),
        Entry(
            "logout",
            "people:logout",
            "Sign out of a server: the token that 'virtscope login' made is revoked, and forgotten.",
        ),
        Entry("completion", "shell_commands:completion", "Print what makes a shell complete commands and names."),
    ),
}
ENTRIES = {entry.name: entry for entries in SECTIONS.values() for entry in entries}


class Commands(TyperGroup):
    """The program. It knows its commands by name, and loads the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """All of them, in the order of the help."""
        return list(ENTRIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """The one of this name; None where there is none."""
        return loaded(ENTRIES[cmd_name]) if cmd_name in ENTRIES else None

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """``--context NAME`` may stand anywhere, as kubectl has it."""
        return super().parse_args(ctx, _without_context(args))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The sections, drawn without loading a command."""
        formatter.write(f"{ctx.get_usage()}\n\n  {ABOUT}\n")
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(entry.name, entry.help) for entry in entries], col_max=16)
        with formatter.section("Options"):
            formatter.write_dl(
                [
                    ("--context NAME", "Whom to ask, of 'virtscope context list'; anywhere on the line."),
                    ("--version", "Print the version and end."),
                    ("-h, --help", "Show this message and exit; after a command, that command's."),
                ]
            )

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:  # noqa: ARG002
        """Commands that begin so."""
        from typer._click.shell_completion import CompletionItem

        found = (entry for entry in ENTRIES.values() if entry.name.startswith(incomplete))
        return [CompletionItem(entry.name, help=entry.help) for entry in found]


def loaded(entry: Entry) -> Any:
    """The command behind an entry."""
    module, _, attribute = entry.place.partition(":")
    attribute, _, member = attribute.partition("#")
    found = getattr(importlib.import_module(f"virtscope.cli.{module}"), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False)
        alone.command(entry.name, context_settings=SETTINGS)(found)
        return _shown(get_command(alone))
    found.info.context_settings = SETTINGS
    found._add_completion = False  # noqa: SLF001
    command: Any = get_group(found)
    command = command.commands[member] if member else command
    command.name = entry.name
    return _shown(command)


def _shown(command: Any) -> Any:
    """The command with its defaults as they are written: rich would take ``[default: …]`` for markup, and drop it."""
    for member in (command, *getattr(command, "commands", {}).values()):
        for parameter in member.params:
            if parameter.help:
                parameter.help = re.sub(r"(?<!\\)\[(?=default:)", r"\\[", parameter.help)
    return command


def _without_context(args: list[str]) -> list[str]:
    """The arguments without ``--context``, which goes to the environment. What is behind ``--`` is not looked at."""
    if not any(argument.startswith("--context") for argument in args):
        return args
    from virtscope.cli.contexts import VARIABLE

    left: list[str] = []
    rest: Iterator[str] = iter(args)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument == "--":
            return [*left, argument, *rest]
        if name == "--context":
            os.environ[VARIABLE] = value if equals else next(rest, "")
        else:
            left.append(argument)
    return left


app = typer.Typer(
    name="virtscope",
    cls=Commands,
    help=ABOUT,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=SETTINGS,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from virtscope import __version__

        typer.echo(f"virtscope {__version__}")
        raise typer.Exit


@app.callback()
def virtscope(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """See a fleet of KVM/libvirt hosts: every domain, disk and interface, live, stored and explained."""
