"""Which columns the lists of alerts have."""

from __future__ import annotations

from virtscope import text
from virtscope.cli.columns import Column, at
from virtscope.cli.times import shown

ALERTS = (
    Column("RULE", at("rule")),
    Column("SEVERITY", at("severity")),
    Column("STATE", lambda alert: f"{alert['state']}{', silenced' if alert['silenced'] else ''}"),
    Column("OBJECT", at("subject", "name")),
    Column("HOST", at("subject", "host_name")),
    Column("VALUE", at("shown")),
    Column("SINCE", at("since"), text.ago),
    Column("NOTES", at("text")),
    Column("ID", at("subject", "id"), wide=True),
    Column("CONDITION", at("condition"), wide=True),
    Column("FIRED", at("fired"), text.ago, wide=True),
)
HISTORY = (
    Column("TIME", at("at"), shown),
    Column("RULE", at("rule")),
    Column("SEVERITY", at("severity")),
    Column("WHAT", at("what")),
    Column("OBJECT", at("subject", "name")),
    Column("HOST", at("subject", "host_name")),
    Column("LASTED", lambda entry: (entry["at"] - entry["since"]) or None, text.duration),
    Column("NOTES", at("note")),
    Column("ID", at("subject", "id"), wide=True),
)
RULES = (
    Column("NAME", at("name")),
    Column("ON", at("on")),
    Column("WHEN", at("when")),
    Column("WHERE", at("where")),
    Column("FOR", at("hold"), lambda seconds: text.duration(seconds) if seconds else "at once"),
    Column("SEVERITY", at("severity")),
    Column("STATE", lambda rule: "on" if rule["enabled"] else "off"),
    Column("CLEAR", at("clear"), wide=True),
    Column("REST", at("rest"), text.duration, wide=True),
    Column("NOTES", at("text"), wide=True),
)
FIRINGS = (
    Column("FIRED", at("fired"), shown),
    Column("RESOLVED", at("resolved"), lambda value: "not yet" if value is None else shown(value)),
    Column("RULE", at("rule")),
    Column("OBJECT", at("subject", "name")),
    Column("HOST", at("subject", "host_name")),
    Column("WORST", at("shown")),
)
SILENCES = (
    Column("ID", at("id"), str),
    Column("STATE", at("state")),
    Column("WHERE", lambda silence: silence["where"] or "everything"),
    Column("FROM", at("begins"), shown),
    Column("TO", at("ends"), shown),
    Column("BY", at("by")),
    Column("REASON", at("reason")),
)
RECEIVERS = (
    Column("NAME", at("name")),
    Column("ADDRESS", at("address")),
    Column("FROM SEVERITY", at("least")),
    Column("TOLD", at("told"), text.ago),
    Column("REASON", at("problem")),
    Column("MADE BY", at("made_by"), wide=True),
)
OUTBOX = (
    Column("ID", at("id"), str),
    Column("RECEIVER", at("receiver")),
    Column("TITLE", at("title")),
    Column("MADE", at("made"), text.ago),
    Column("TRIES", at("tries"), text.number),
    Column("STATE", lambda letter: "given up" if letter["is_dead"] else "waits"),
    Column("REASON", at("problem")),
)
