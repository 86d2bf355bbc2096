"""What people are told."""

from __future__ import annotations

from dataclasses import replace

from tests.alerts.worlds import domain, world
from virtscope.alerts.causes import causes
from virtscope.alerts.evaluate import Alert, Change
from virtscope.alerts.message import MOST_LINES, Message, Notice, message
from virtscope.alerts.observe import observe
from virtscope.alerts.rule import Rule, Severity, condition

STEAL = condition(Rule("steal", "domains", "steal>10", severity=Severity.WARNING, text="It waits."))
DOWN = condition(Rule("lost", "domains", "state:crashed", severity=Severity.CRITICAL))


def notices(count: int, *, resolved: bool = False, name: str = "") -> list[Notice]:
    here = world(
        *(domain(f"d{number}", name=name, steal_ratio=0.42) for number in range(count)),
        domain("bully", name="bully", cpu_cores=3.9),
    )
    found = [one for one in observe(STEAL, here) if one.fires]
    alerts = [Alert("steal", one.subject, since=0, fired=300_000, value=one.value) for one in found]
    return [
        Notice(Change(alert, 600_000, is_resolved=resolved), STEAL, causes(STEAL, alert.subject, here))
        for alert in alerts
    ]


def test_it_says_what_where_how_much_since_when_why_and_where_to_look() -> None:
    told = message(notices(1), "https://v/")
    assert told == Message(
        "[virtscope] warning: vm-d0 (steal)",
        "WARNING steal: steal>10\n"
        "It waits.\n"
        "- vm-d0 on kvm-h1: 42.0 %, for 10 min\n"
        "  Using most beside it: bully uses 3.90 cores.\n"
        "  https://v/domains/d0",
        Severity.WARNING,
        is_resolved=False,
    )


def test_what_came_together_is_one_message() -> None:
    crashed = [Notice(one.change, DOWN) for one in notices(2)]
    told = message([*notices(3), *crashed, *notices(1, resolved=True)], "https://v/")
    assert told.title == "[virtscope] 5 firing, 1 resolved (lost, steal)"
    assert told.severity is Severity.CRITICAL
    assert told.body.count("https://v/domains/") == 6
    assert not told.is_resolved
    over = message(notices(1, resolved=True), "https://v/")
    assert over.title == "[virtscope] resolved: vm-d0 (steal)"
    assert over.is_resolved
    assert "bully" not in over.body


def test_many_are_counted() -> None:
    body = message(notices(MOST_LINES + 7), "https://v/").body
    assert body.count("https://v/domains/") == MOST_LINES
    assert "… and 7 more: https://v/alerts" in body


def test_a_hostile_name_is_one_harmless_line() -> None:
    told = message(notices(1, name="web\r\nBcc: x@y\x1b[31m" + "a" * 1000), "https://v/")
    assert "\r" not in told.title + told.body
    assert "\x1b" not in told.title + told.body
    assert "\n" not in told.title
    assert not any(line.startswith("Bcc") for line in told.body.splitlines())
    assert len(told.title) <= 200


def test_what_has_just_begun_has_not_lasted() -> None:
    (one,) = notices(1)
    told = message([replace(one, change=replace(one.change, at=0))], "https://v/")
    assert "- vm-d0 on kvm-h1: 42.0 %\n" in told.body
