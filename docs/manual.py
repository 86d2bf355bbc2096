"""The manual page virtscope(1), out of the commands themselves: every one with its options, as virsh(1) has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from virtscope.cli.commands import ABOUT, SECTIONS, Entry, loaded

_STATUSES = (
    ("0", "Done."),
    ("1", "Something else went wrong; of doctor: something needed does not work."),
    ("2", "What was asked for makes no sense: an option, a URI, a search, a file."),
    ("3", "No answer: of a server, a hypervisor, a source of hosts."),
    ("4", "There is nothing of that name."),
    ("5", "Several things have that name."),
    ("6", "The data folder, or the agent's, cannot be used."),
    ("7", "It is not allowed, or the server does not know who asks."),
    ("130", "Ctrl-C."),
)
_VARIABLES = (
    ("VIRTSCOPE_SERVER", "The server to ask."),
    ("VIRTSCOPE_CONTEXT", "The context that is used."),
    ("VIRTSCOPE_TOKEN", "The API token that a server is shown."),
    ("VIRTSCOPE_CA", "Certificates (PEM) that a server's is verified with."),
    ("NO_COLOR", "No colours, if it is set."),
)
_FILES = (
    ("~/.config/virtscope/contexts.toml", "Contexts."),
    ("~/.config/virtscope/credentials.toml", "Tokens and certificates of servers; nobody else may read it."),
    ("/etc/virtscope/agent.toml, /etc/virtscope/server.toml", "Settings of the services."),
    ("/var/lib/virtscope", "Samples, users and keys of a server."),
    ("/var/lib/virtscope-agent", "An agent's identity, and what it has not sent yet."),
)


def page() -> str:
    """The page, in the macros of man(7)."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield '.\\" Written by `python -m docs.reference`; change the code instead.'
    yield ".TH VIRTSCOPE 1"
    yield ".SH NAME"
    yield f"virtscope \\- {_text(ABOUT.removesuffix('.'))}"
    yield ".SH SYNOPSIS"
    yield ".B virtscope\n[\\-\\-context\n.IR NAME ]\n.I COMMAND\n[\n.IR ARGUMENTS \\~.\\|.\\|.\\~]"
    yield ".SH DESCRIPTION"
    yield from _paragraphs(
        f"{ABOUT}\n\nCommands ask a server, or with --connect hypervisors directly. -l takes a search as"
        " 'host:a project:web cpu>80 state:running text'; -o writes table, wide, json, yaml, csv, name or"
        " jsonpath=TEMPLATE; --sort-by sorts by a field, -FIELD from the highest down."
    )
    yield ".SH COMMANDS"
    for title, entries in SECTIONS.items():
        yield f".SS {_text(title)}"
        for entry in entries:
            yield f".TP\n.B {_text(entry.name)}\n{_text(entry.help)}"
    for entries in SECTIONS.values():
        for entry in entries:
            yield from _command(entry)
    for heading, rows in (("EXIT STATUS", _STATUSES), ("ENVIRONMENT", _VARIABLES), ("FILES", _FILES)):
        yield f".SH {heading}"
        for name, meaning in rows:
            yield f".TP\n.B {_text(name)}\n{_text(meaning)}"
    yield ".SH SEE ALSO"
    yield ".BR virsh (1),\n.BR virt\\-top (1)"


def _command(entry: Entry) -> Iterator[str]:
    command = loaded(entry)
    members = getattr(command, "commands", None)
    yield f".SH VIRTSCOPE {_text(entry.name.upper())}"
    if members is None:
        yield from _described(f"virtscope {entry.name}", command)
        return
    yield from _paragraphs(command.help or "")
    for name, member in members.items():
        yield f".SS virtscope {_text(entry.name)} {_text(name)}"
        yield from _described(f"virtscope {entry.name} {name}", member)


def _described(name: str, command: Any) -> Iterator[str]:
    with command.make_context(name, [], resilient_parsing=True) as context:
        usage = " ".join(command.collect_usage_pieces(context))
        yield f".B {_text(name)}\n{_text(usage)}"
        yield from _paragraphs(command.help or "")
        for parameter in command.get_params(context):
            record = parameter.get_help_record(context)
            if record is not None and parameter.name != "help":
                names, meaning = record
                yield f".TP\n.B {_text(names)}\n{_text(_unmarked(meaning))}"


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.split("\n\n"):
        yield ".PP"
        example = "Example" in paragraph
        lines = [line.strip() for line in paragraph.splitlines()]
        yield ("\n.br\n" if example else "\n").join(_text(line) for line in lines)


def _unmarked(text: str) -> str:
    r"""Without the backslashes that keep rich from reading markup: ``\[default: …]``."""
    return " ".join(text.replace("\\[", "[").split())


def _text(text: str) -> str:
    """Text that troff takes as it is (groff(7), "Escape sequences")."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...").replace("`", "\\(ga")
    return re.sub(r"^([.'])", r"\\&\1", escaped)
