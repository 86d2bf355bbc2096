"""What commands share is called and explained the same everywhere, and every list has all of it."""

from __future__ import annotations

from collections import defaultdict

import pytest

from tests.cli.test_commands import ALL, is_group, made

COMMANDS = [name for name in ALL if not is_group(name)]
PROGRAMS = {"up", "agent", "server"}
"""Their options are their settings."""
LISTS = {name for name in COMMANDS if name.startswith("list ") or name.endswith(" list")} | {
    "events",
    "stats",
    "alerts history",
    "alerts receivers outbox",
    "store show",
}
DEAR = {"analyze", "plan", "alerts rules test"}
"""Lists that a server works long for: nobody asks for them again and again."""
OF_A_LIST = {
    ("--filter", "-l"),
    ("--sort-by",),
    ("--output", "-o"),
    ("--no-headers",),
}
AGAIN = {("--watch", "-w"), ("--interval", "-i")}
OTHERS = {"top", "context add", "simulate", "findings dismiss"}
"""They mean something else by one of these words, and say so."""
SINCE = {
    "events",
    "list events",
    "alerts history",
    "alerts list",
    "alerts rules test",
    "findings list",
    "sql",
    "export",
}
"""What speaks of the past."""


def options(name: str) -> dict[tuple[str, ...], str]:
    """Every option of a command, in all its spellings, with its help."""
    return {tuple(one.opts): one.help for one in made(name).params if one.param_type_name == "option"}


@pytest.mark.parametrize("name", sorted(LISTS | DEAR))
def test_every_list_has_the_options_of_a_list(name: str) -> None:
    wanted = OF_A_LIST if name in DEAR else OF_A_LIST | AGAIN
    assert wanted <= options(name).keys()


def test_what_is_no_list_is_not_searched() -> None:
    searched = {name for name in COMMANDS if ("--filter", "-l") in options(name)}
    assert searched - LISTS - DEAR == {"top"}


def test_what_speaks_of_the_past_is_asked_since_when() -> None:
    assert {name for name in COMMANDS if ("--since",) in options(name)} == SINCE


def test_an_option_is_the_same_everywhere() -> None:
    spelled = defaultdict(set)
    shared = {long for long, *_ in OF_A_LIST | AGAIN} | {"--since", "--until", "--server", "--connect"}
    for name in set(COMMANDS) - PROGRAMS - OTHERS:
        for opts, said in options(name).items():
            if opts[0] in shared:
                spelled[opts[0]].add((opts, said))
    assert {long: len(found) for long, found in spelled.items()} == dict.fromkeys(shared, 1)
