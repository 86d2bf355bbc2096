"""``virtscope alerts``: what fires, the rules, silences, and who is told."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from virtscope.cli import alert_columns, listing
from virtscope.cli.arguments import Address, Since
from virtscope.cli.asked import Asked, lists, lists_once
from virtscope.cli.saying import say
from virtscope.cli.source import Item, Server
from virtscope.errors import BadInput

app = typer.Typer(help="Alerts: what fires, the rules, silences, and who is told.", no_args_is_help=True)
rules = typer.Typer(help="Rules: when somebody is told.", no_args_is_help=True)
silences = typer.Typer(help="Silences and maintenance: what need not be told for a time.", no_args_is_help=True)
receivers = typer.Typer(help="Receivers: who is told, and what could not be.", no_args_is_help=True)
app.add_typer(rules, name="rules")
app.add_typer(silences, name="silences")
app.add_typer(receivers, name="receivers")

Name = Annotated[str, typer.Argument(help="Its name.")]
File = Annotated[str, typer.Argument(metavar="FILE", help="Rules as TOML; - is standard input.")]


@app.command("list")
@lists
def list_alerts(
    asked: Asked,
    since: Since = "",
    server: Address = "",
) -> None:
    """What fires, what is about to, and what fired and is not known of now; --since has what began then.

    Example: virtscope alerts list -l severity:critical
    """
    from virtscope.cli import times

    begin = times.moment(since) if since else None

    def found() -> list[Item]:
        answer = Server(server).alerts()
        if answer["problem"]:
            say(f"The rules cannot be asked at the moment: {answer['problem']}")
        return [one for one in answer["alerts"] if begin is None or one["since"] >= begin]

    listing.write(found, alert_columns.ALERTS, asked, "alerts")


@app.command("history")
@lists
def history(
    asked: Asked,
    since: Since = "1d",
    server: Address = "",
) -> None:
    """What fired and was resolved, newest first.

    Example: virtscope alerts history --since 7d
    """
    from virtscope.cli import times

    def found() -> list[Item]:
        entries: list[Item] = Server(server).get("alerts/history", [("since", str(times.moment(since)))])["entries"]
        return entries

    listing.write(found, alert_columns.HISTORY, asked)


@rules.command("list")
@lists
def list_rules(
    asked: Asked,
    server: Address = "",
) -> None:
    """Every rule.

    Example: virtscope alerts rules list -o wide
    """
    listing.write(lambda: Server(server).get("alert-rules")["rules"], alert_columns.RULES, asked)


@rules.command("export")
def export_rules(server: Address = "") -> None:
    """Every rule as a TOML file, to be changed and applied again.

    Example: virtscope alerts rules export
    """
    sys.stdout.write(Server(server).get("alert-rules")["toml"])


@rules.command("apply")
def apply_rules(file: File, server: Address = "") -> None:
    """Add the rules of a file, or change those of the same names: all, or none.

    Example: virtscope alerts rules apply mine.toml
    """
    _checked(file)
    Server(server).send("PUT", "alert-rules", {"toml": _read(file)})
    say("The rules are in force.")


@rules.command("remove")
def remove_rule(name: Name, server: Address = "") -> None:
    """Remove a rule; one that every server has is as it was again.

    Example: virtscope alerts rules remove web-steal
    """
    Server(server).send("DELETE", f"alert-rules/{quote(name, safe='')}")
    say(f"The rule {name} is removed.")


@rules.command("test")
@lists_once
def try_rules(
    asked: Asked,
    rule: Annotated[str, typer.Argument(metavar="RULE|FILE", help="A rule's name, or a file of rules; - is stdin.")],
    since: Since = "1d",
    server: Address = "",
) -> None:
    """When a rule would have fired, had it been there: over the past that is stored.

    Example: virtscope alerts rules test domain-steal --since 7d
    """
    from virtscope.cli import times

    wanted: dict[str, Any] = {"start": times.moment(since)}
    if rule == "-" or Path(rule).is_file():
        _checked(rule)
        wanted["toml"] = _read(rule)
    else:
        wanted["rule"] = rule
    answer = Server(server).send("POST", "alert-rules/trial", wanted)
    listing.write(lambda: answer["firings"], alert_columns.FIRINGS, asked)
    for note in answer["notes"]:
        say(note)
    say(f"{len(answer['firings'])} times, of {answer['objects']} objects, looked at every {answer['step']:g} s")


@silences.command("list")
@lists
def list_silences(
    asked: Asked,
    server: Address = "",
) -> None:
    """Every silence, the newest first.

    Example: virtscope alerts silences list
    """
    listing.write(lambda: Server(server).get("silences")["silences"], alert_columns.SILENCES, asked)


@silences.command("add")
def add_silence(
    reason: Annotated[str, typer.Option("--reason", "-r", help="Why, for those who come after.")],
    where: Annotated[
        str, typer.Argument(help="Of which alerts: 'rule:host-down host:kvm1'. [default: all]", show_default=False)
    ] = "",
    last: Annotated[str, typer.Option("--for", metavar="TIME", help="How long: 30m, 2h, 7d.")] = "2h",
    begin: Annotated[
        str,
        typer.Option("--from", metavar="TIME", help="When a maintenance begins. [default: now]", show_default=False),
    ] = "",
    server: Address = "",
) -> None:
    """Have nothing told of some alerts for a time: now, or in a maintenance to come.

    Example: virtscope alerts silences add host:kvm7 --reason repair --for 2h
    """
    from virtscope.cli import times

    wanted = {"where": where, "reason": reason, "seconds": times.span(last)}
    wanted |= {"begins": times.moment(begin)} if begin else {}
    made = Server(server).send("POST", "silences", wanted)
    say(f"Silence {made['id']}, until {times.shown(made['ends'])}")


@silences.command("end")
def end_silence(number: Annotated[int, typer.Argument(help="Its number.")], server: Address = "") -> None:
    """End a silence now.

    Example: virtscope alerts silences end 3
    """
    Server(server).send("DELETE", f"silences/{number}")
    say(f"Silence {number} is over.")


@receivers.command("list")
@lists
def list_receivers(
    asked: Asked,
    server: Address = "",
) -> None:
    """Who is told, and whether that worked.

    Example: virtscope alerts receivers list
    """
    listing.write(lambda: Server(server).get("receivers")["receivers"], alert_columns.RECEIVERS, asked)


@receivers.command("add")
def add_receiver(
    name: Name,
    url: Annotated[
        str,
        typer.Argument(help="mailto://…, slack://…, jsons://…, alertmanager://…; - reads it from standard input."),
    ],
    least: Annotated[str, typer.Option(help="He hears of this severity and those above: info, warning, critical.")] = (
        "warning"
    ),
    server: Address = "",
) -> None:
    """Have somebody told. An address holds secrets: give it over standard input where others share the machine.

    Example: virtscope alerts receivers add ops 'mailto://virtscope@mail.example.org?to=ops@example.org'
    """
    address = sys.stdin.readline().strip() if url == "-" else url
    made = Server(server).send("POST", "receivers", {"name": name, "url": address, "least": least})
    say(f"{made['name']} is told at {made['address']}. Try it: virtscope alerts receivers test '{made['name']}'")


@receivers.command("remove")
def remove_receiver(name: Name, server: Address = "") -> None:
    """Tell somebody no more.

    Example: virtscope alerts receivers remove ops
    """
    Server(server).send("DELETE", f"receivers/{quote(name, safe='')}")
    say(f"{name} is told no more.")


@receivers.command("test")
def try_receiver(name: Name, server: Address = "") -> None:
    """Send somebody a test.

    Example: virtscope alerts receivers test ops
    """
    Server(server).send("POST", f"receivers/{quote(name, safe='')}/test", {})
    say("It is on its way. 'virtscope alerts receivers list' tells soon whether it was sent.")


@receivers.command("outbox")
@lists
def outbox(
    asked: Asked,
    server: Address = "",
) -> None:
    """What is still to be told, and what could not be.

    Example: virtscope alerts receivers outbox
    """
    listing.write(lambda: Server(server).get("outbox")["letters"], alert_columns.OUTBOX, asked)


@receivers.command("retry")
def retry(server: Address = "") -> None:
    """Try messages again that were given up.

    Example: virtscope alerts receivers retry
    """
    say(f"{Server(server).send('POST', 'outbox/retry', {})['count']} are tried again.")


def _checked(file: str) -> None:
    """Read a file's rules here, so that what is wrong with it is said with its own name and line."""
    from virtscope.alerts import rules_file

    if file != "-":
        rules_file.read(_read(file), file)


def _read(file: str) -> str:
    if file == "-":
        return sys.stdin.read()
    try:
        return Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read {file}: {error}", "Name a file of rules, as TOML.") from None
