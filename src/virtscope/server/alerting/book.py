"""The book: rules, alerts, silences, receivers, and what is still to be told; tables of the registry.

What an evaluation comes to is one transaction: the alerts as they are now, what happened, and what is to be told of it.
So it happens once, whenever the process ends.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from virtscope.alerts import rules_file
from virtscope.alerts.evaluate import Alert, Change
from virtscope.alerts.message import Message
from virtscope.alerts.receiver import Receiver
from virtscope.alerts.rule import Rule, Severity, condition
from virtscope.alerts.silence import Silence
from virtscope.errors import BadInput, NotFound, Taken
from virtscope.server.access.registry import Registry

MOST_RULES = 500
HISTORY_DAYS = 400
DEAD_DAYS = 30
"""For which a message that could not be sent is kept."""
MOST_TRIES = 12
"""Of one message: with the pauses between them a good day."""
_PAUSES = (10, 30, 60, 120, 300, 600, 1800, 3600)
"""Seconds between two tries."""
_TABLES = (
    "CREATE TABLE IF NOT EXISTS alert_rules (name TEXT PRIMARY KEY, rule TEXT, changed REAL, changed_by TEXT) STRICT",
    "CREATE TABLE IF NOT EXISTS alerts (rule TEXT, id TEXT, alert TEXT, PRIMARY KEY (rule, id)) STRICT",
    """CREATE TABLE IF NOT EXISTS alert_history (
        number INTEGER PRIMARY KEY, at INTEGER, rule TEXT, severity TEXT, what TEXT, alert TEXT, note TEXT) STRICT""",
    "CREATE INDEX IF NOT EXISTS alert_history_at ON alert_history (at)",
    """CREATE TABLE IF NOT EXISTS silences (
        id INTEGER PRIMARY KEY, condition TEXT, begins INTEGER, ends INTEGER, reason TEXT, made_by TEXT) STRICT""",
    """CREATE TABLE IF NOT EXISTS receivers (
        name TEXT PRIMARY KEY, url TEXT, least TEXT, made_by TEXT, told REAL, problem TEXT) STRICT""",
    """CREATE TABLE IF NOT EXISTS outbox (
        id INTEGER PRIMARY KEY, receiver TEXT, message TEXT, made REAL, due REAL, tries INTEGER, problem TEXT,
        dead INTEGER DEFAULT 0) STRICT""",
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A receiver as the book has it. Times are Unix seconds."""

    receiver: Receiver
    least: Severity
    """He hears of this severity and those above."""
    made_by: str
    told: float | None
    """When something was last sent."""
    problem: str | None
    """Why the last message was not."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to somebody, not sent yet. Times are Unix seconds."""

    id: int
    receiver: str
    message: Message
    made: float
    due: float
    tries: int
    problem: str | None
    is_dead: bool
    """It was tried so often that it is not any more, unless somebody asks for it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened to an alert. Unix ms."""

    number: int
    at: int
    severity: Severity
    what: str
    """``fired``, ``resolved`` or ``gone``."""
    alert: Alert
    note: str
    """Likely causes; or that it was silenced."""


class Book:
    """The tables, for any thread."""

    def __init__(self, registry: Registry, clock: Callable[[], float] = time.time) -> None:
        self._registry = registry
        self._clock = clock
        registry.define(*_TABLES)
        self._defaults = {rule.name: rule for rule in rules_file.defaults()}

    # Rules.

    def rules(self) -> list[Rule]:
        """Every rule by name: those that a server begins with, as they were changed, and people's own."""
        own = {name: _rule(text) for name, text in self._registry.rows("SELECT name, rule FROM alert_rules")}
        return sorted((self._defaults | own).values(), key=lambda rule: rule.name)

    def rule(self, name: str) -> Rule:
        """One rule; NotFound where there is none."""
        for rule in self.rules():
            if rule.name == name:
                return rule
        raise NotFound(f"no rule {name!r}", "'virtscope alerts rules' names them all.")

    def is_default(self, name: str) -> bool:
        """Whether it is one that every server begins with: it can be switched off, and not removed."""
        return name in self._defaults

    def put_rules(self, rules: Sequence[Rule], by: str) -> None:
        """Add rules, or change those of these names: all, or none.

        Raises:
            BadInput: one makes no sense, or there are too many.
        """
        for rule in rules:
            condition(rule)
        if len({rule.name for rule in (*self.rules(), *rules)}) > MOST_RULES:
            raise BadInput(f"there are {MOST_RULES} rules already", "Remove one that nobody needs.")
        rows = [(rule.name, msgspec.json.encode(rule).decode(), self._clock(), by) for rule in rules]
        with self._registry.write() as connection:
            connection.executemany("INSERT OR REPLACE INTO alert_rules VALUES (?, ?, ?, ?)", rows)

    def remove_rule(self, name: str) -> None:
        """Remove a rule of people's own; a changed default is again as it was.

        Raises:
            NotFound: there is none.
            BadInput: it is a default that nobody has changed.
        """
        self.rule(name)
        with self._registry.write() as connection:
            if not connection.execute("DELETE FROM alert_rules WHERE name = ?", [name]).rowcount:
                raise BadInput(f"every server has the rule {name}", "Switch it off instead: enabled = false")

    # Alerts.

    def alerts(self) -> dict[str, dict[str, Alert]]:
        """Every alert, by its rule and its subject's id."""
        found: dict[str, dict[str, Alert]] = {}
        for rule, id_, text in self._registry.rows("SELECT rule, id, alert FROM alerts"):
            found.setdefault(rule, {})[id_] = msgspec.json.decode(text, type=Alert)
        return found

    def record(
        self,
        changed: Iterable[Alert],
        ended: Iterable[tuple[str, str]],
        happened: Iterable[tuple[Change, Severity, str]],
        messages: Iterable[tuple[str, Message]],
    ) -> None:
        """What an evaluation came to, in one transaction.

        Args:
            changed: alerts that are new, or other than they were.
            ended: rule and subject's id of those that are no more.
            happened: changes with their severity, and what is to be noted with them.
            messages: what receivers, by name, are to be told.
        """
        now = self._clock()
        with self._registry.write() as connection:
            connection.executemany("DELETE FROM alerts WHERE rule = ? AND id = ?", ended)
            connection.executemany(
                "INSERT OR REPLACE INTO alerts VALUES (?, ?, ?)",
                [(alert.rule, alert.subject.id, _json(alert)) for alert in changed],
            )
            connection.executemany(
                "INSERT INTO alert_history (at, rule, severity, what, alert, note) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (change.at, change.alert.rule, severity.value, _what(change), _json(change.alert), note)
                    for change, severity, note in happened
                ],
            )
            for receiver, message in messages:
                _post(connection, receiver, message, now)

    def history(
        self,
        since: int,
        until: int,
        limit: int = 500,
        subject: str = "",
        domains: Collection[str] | None = None,
    ) -> list[Entry]:
        """What happened between two times (Unix ms), newest first; to all, or to a domain or a host and its own parts.

        A host's domains are no parts of it. ``domains``: to none but these, by id.
        """
        rows = self._registry.rows(
            """SELECT number, at, severity, what, alert, note FROM alert_history
               WHERE at >= ?1 AND at < ?2 AND (?4 = '' OR ?4 =
                   coalesce(nullif(alert ->> '$.subject.domain', ''), alert ->> '$.subject.host'))
                 AND (?5 IS NULL OR alert ->> '$.subject.domain' IN (SELECT value FROM json_each(?5)))
               ORDER BY number DESC LIMIT ?3""",
            [since, until, limit, subject, None if domains is None else msgspec.json.encode(sorted(domains)).decode()],
        )
        return [
            Entry(number, at, Severity(severity), what, msgspec.json.decode(alert, type=Alert), note)
            for number, at, severity, what, alert, note in rows
        ]

    def forget(self) -> None:
        """Forget what happened long ago, silences that are long over, and messages that were given up."""
        before = int((self._clock() - HISTORY_DAYS * 86_400) * 1000)
        with self._registry.write() as connection:
            connection.execute("DELETE FROM alert_history WHERE at < ?", [before])
            connection.execute("DELETE FROM silences WHERE ends < ?", [before])
            connection.execute("DELETE FROM outbox WHERE dead AND made < ?", [self._clock() - DEAD_DAYS * 86_400])

    # Silences.

    def silences(self) -> list[Silence]:
        """Every silence, the newest first."""
        rows = self._registry.rows("SELECT * FROM silences ORDER BY id DESC")
        return [Silence(*row) for row in rows]

    def silence(self, wanted: Silence) -> Silence:
        """Make a silence; its id is given here."""
        with self._registry.write() as connection:
            row = connection.execute(
                "INSERT INTO silences (condition, begins, ends, reason, made_by) VALUES (?, ?, ?, ?, ?) RETURNING id",
                [wanted.where, wanted.begins, wanted.ends, wanted.reason, wanted.by],
            ).fetchone()
        return replace(wanted, id=row[0])

    def end_silence(self, id: int) -> None:  # noqa: A002
        """End a silence now; NotFound where there is none that is not over."""
        now = int(self._clock() * 1000)
        with self._registry.write() as connection:
            if not connection.execute(
                "UPDATE silences SET ends = ? WHERE id = ? AND ends > ?", [now, id, now]
            ).rowcount:
                raise NotFound(f"no silence {id} that is not over", "'virtscope alerts silences' names them all.")

    # Receivers.

    def receivers(self) -> list[Kept]:
        """Everybody who is told, by name."""
        rows = self._registry.rows("SELECT name, url, least, made_by, told, problem FROM receivers ORDER BY name")
        return [Kept(Receiver(name, url), Severity(least), *rest) for name, url, least, *rest in rows]

    def receiver(self, name: str) -> Kept:
        """One of them; NotFound where there is none."""
        for kept in self.receivers():
            if kept.receiver.name == name:
                return kept
        raise NotFound(f"no receiver {name!r}", "'virtscope alerts receivers' names them all.")

    def add_receiver(self, receiver: Receiver, least: Severity, by: str) -> None:
        """Add somebody; Taken where the name is."""
        try:
            with self._registry.write() as connection:
                connection.execute(
                    "INSERT INTO receivers (name, url, least, made_by) VALUES (?, ?, ?, ?)",
                    [receiver.name, receiver.url, least.value, by],
                )
        except sqlite3.IntegrityError:
            raise Taken(f"there is a receiver {receiver.name!r} already", "Remove it first.") from None

    def remove_receiver(self, name: str) -> None:
        """Remove somebody, with what he was still to be told; NotFound where he is not there."""
        with self._registry.write() as connection:
            connection.execute("DELETE FROM outbox WHERE receiver = ?", [name])
            if not connection.execute("DELETE FROM receivers WHERE name = ?", [name]).rowcount:
                raise NotFound(f"no receiver {name!r}", "'virtscope alerts receivers' names them all.")

    # What is to be told.

    def post(self, receiver: str, message: Message) -> None:
        """Put a message into the outbox."""
        with self._registry.write() as connection:
            _post(connection, receiver, message, self._clock())

    def letters(self, *, due: bool = False) -> list[Letter]:
        """What is not sent yet, oldest first; ``due``: only what may be tried now."""
        rows = self._registry.rows(
            """SELECT id, receiver, message, made, due, tries, problem, dead FROM outbox
               WHERE ? OR (NOT dead AND due <= ?) ORDER BY id""",
            [not due, self._clock()],
        )
        return [
            Letter(id_, receiver, msgspec.json.decode(message, type=Message), made, when, tries, problem, bool(dead))
            for id_, receiver, message, made, when, tries, problem, dead in rows
        ]

    def sent(self, letter: Letter) -> None:
        """A message has been sent."""
        with self._registry.write() as connection:
            connection.execute("DELETE FROM outbox WHERE id = ?", [letter.id])
        self.heard(letter.receiver, None)

    def not_sent(self, letter: Letter, problem: str) -> None:
        """A message could not be sent: it is tried again later, or dead."""
        tries = letter.tries + 1
        due = self._clock() + _PAUSES[min(tries, len(_PAUSES)) - 1]
        with self._registry.write() as connection:
            connection.execute(
                "UPDATE outbox SET tries = ?, due = ?, problem = ?, dead = ? WHERE id = ?",
                [tries, due, problem, int(tries >= MOST_TRIES), letter.id],
            )
        self.heard(letter.receiver, problem)

    def heard(self, receiver: str, problem: str | None) -> None:
        """How the last try to tell somebody went."""
        with self._registry.write() as connection:
            if problem is None:
                connection.execute(
                    "UPDATE receivers SET told = ?, problem = NULL WHERE name = ?", [self._clock(), receiver]
                )
            else:
                connection.execute("UPDATE receivers SET problem = ? WHERE name = ?", [problem[:500], receiver])

    def revive(self) -> int:
        """Try dead messages again; how many there were."""
        with self._registry.write() as connection:
            return connection.execute("UPDATE outbox SET dead = 0, tries = 0, due = 0 WHERE dead").rowcount


def _post(connection: sqlite3.Connection, receiver: str, message: Message, now: float) -> None:
    connection.execute(
        "INSERT INTO outbox (receiver, message, made, due, tries) VALUES (?, ?, ?, ?, 0)",
        [receiver, _json(message), now, now],
    )


def _rule(text: str) -> Rule:
    return msgspec.json.decode(text, type=Rule)


def _json(value: Mapping[str, object] | Alert | Message) -> str:
    return msgspec.json.encode(value).decode()


def _what(change: Change) -> str:
    return "gone" if change.is_gone else "resolved" if change.is_resolved else "fired"
