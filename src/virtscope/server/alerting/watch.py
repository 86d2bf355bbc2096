"""The watch: the thread that asks every rule about the present, again and again, and notes what that comes to."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import msgspec

from virtscope.alerts.causes import causes
from virtscope.alerts.evaluate import Alert, Change, evaluate
from virtscope.alerts.message import Message, Notice, in_words, message
from virtscope.alerts.observe import World, observe
from virtscope.alerts.rule import Condition, Rule, Severity, condition
from virtscope.alerts.silence import Silenced, silenced
from virtscope.errors import BadInput, VirtscopeError
from virtscope.priority import stand_back
from virtscope.pulse import Pulse
from virtscope.sample import now_ms
from virtscope.search import owned
from virtscope.server.alerting.book import Book, Kept
from virtscope.server.now import Now

log = logging.getLogger(__name__)

PAUSE_SECONDS = 10.0
REST = 9.0
"""A round is followed by a pause of so many times what it took, at least: of however many domains, asking takes
a tenth of a core at most."""
ROUND_SECONDS = 300.0
"""How long a round may take before the thread is hung."""
DAY_ROUNDS = 8_640


@dataclass
class _Round:
    """What one evaluation comes to, as it grows."""

    changed: list[Alert] = field(default_factory=list)
    ended: list[tuple[str, str]] = field(default_factory=list)
    happened: list[tuple[Change, Severity, str]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.changed or self.ended or self.happened)


class Watch:
    """The thread."""

    def __init__(
        self,
        book: Book,
        world: Callable[[], World],
        address: str,
        posted: Callable[[], None],
        pulse: Pulse | None = None,
        pause: float = PAUSE_SECONDS,
    ) -> None:
        """Start.

        Args:
            book: what was so before, and where it is noted.
            world: everything there is now.
            address: where the page is, with a slash at its end: for links.
            posted: called when somebody is to be told something.
            pulse: hears when the thread will come round again.
            pause: seconds between two rounds.
        """
        self._book, self._world, self._address, self._posted = book, world, address, posted
        self._pulse = pulse or Pulse()
        self._pause = pause
        self._alerts = book.alerts()
        self._read: dict[Rule, Condition | None] = {}
        self._problem: str | None = None
        self._ended = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._thread.start()

    @property
    def alerts(self) -> list[Alert]:
        """Every alert as it is now."""
        return [alert for of_rule in list(self._alerts.values()) for alert in of_rule.values()]

    @property
    def conditions(self) -> Mapping[str, Condition]:
        """The rules that can be asked, whether or not they are on, by their names."""
        return {rule.name: found for rule in self._book.rules() if (found := self._ready(rule)) is not None}

    @property
    def problem(self) -> str | None:
        """Why the rules could not be asked; None where all is well."""
        return self._problem

    def wake(self) -> None:
        """Something is other than it was: ask now. From any thread."""
        self._wake.set()

    def stop(self) -> None:
        """End when the round is over."""
        self._ended = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        stand_back()
        rounds, pause = 0, self._pause
        while True:
            self._pulse.expect("alerts", pause + ROUND_SECONDS)
            self._wake.wait(pause)
            self._wake.clear()
            if self._ended:
                break
            began = time.monotonic()
            try:
                self.round(now_ms())
                rounds += 1
                if rounds % DAY_ROUNDS == 1:
                    self._book.forget()
                self._problem = None
            except VirtscopeError as error:
                log.warning("%s %s", error, error.hint)
                self._problem = str(error)
            except Exception as error:
                log.exception("BUG: the rules could not be asked")  # and are asked again
                self._problem = f"BUG: {error!r}"
            pause = max(self._pause, REST * (time.monotonic() - began))
        self._pulse.forget("alerts")

    def round(self, now: int) -> None:
        """Ask every rule once, at a time (Unix ms)."""
        world = self._world()
        silent = silenced(self._book.silences(), now)
        found = _Round()
        after: dict[str, dict[str, Alert]] = {}
        for one in self.conditions.values():
            if not one.rule.enabled:
                continue
            after[one.rule.name] = self._ask(one, world, silent, now, found)
        for name in self._alerts.keys() - after.keys():
            # The rule is gone or switched off: so is what it had to say, and nobody need hear of that.
            found.ended += [(name, id_) for id_ in self._alerts[name]]
        if found:
            messages = self._messages(found.notices)
            self._book.record(found.changed, found.ended, found.happened, messages)
            if messages:
                self._posted()
        self._alerts = after

    def _ready(self, rule: Rule) -> Condition | None:
        """A rule, read once; None where it was made when the search language had other fields."""
        if rule not in self._read:
            try:
                self._read[rule] = condition(rule)
            except BadInput as error:
                log.warning("the rule %s cannot be asked: %s", rule.name, error)
                self._read[rule] = None
        return self._read[rule]

    def _ask(self, one: Condition, world: World, silent: Silenced, now: int, found: _Round) -> dict[str, Alert]:
        name = one.rule.name
        before = self._alerts.get(name, {})
        after, changes = evaluate(one.rule, before, observe(one, world, before), now)
        found.changed += [alert for id_, alert in after.items() if _is_other(before.get(id_), alert)]
        found.ended += [(name, id_) for id_ in before.keys() - after.keys()]
        for change in changes:
            likely = [] if change.is_resolved else causes(one, change.alert.subject, world)
            note = in_words(likely)
            severity = one.rule.severity
            if silent(change.alert, severity):
                note = "silenced" + (f"; {note}" if note else "")
            else:
                found.notices.append(Notice(change, one, likely))
            found.happened.append((change, severity, note))
            log.info("%s: %s %s", name, change.alert.subject.name, "resolved" if change.is_resolved else "fires")
        return after

    def _messages(self, notices: Sequence[Notice]) -> list[tuple[str, Message]]:
        """What each receiver is told of these."""
        found = []
        for kept in self._book.receivers():
            if kept.receiver.is_alertmanager:
                continue  # it is handed the alerts themselves
            his = [notice for notice in notices if _concerns(kept, notice.severity)]
            if his:
                found.append((kept.receiver.name, message(his, self._address)))
        return found


def _concerns(kept: Kept, severity: Severity) -> bool:
    order = list(Severity)
    return order.index(severity) >= order.index(kept.least)


def _is_other(before: Alert | None, after: Alert) -> bool:
    """Whether an alert must be noted anew: its figure alone is not worth a write."""
    return before is None or replace(before, value=None) != replace(after, value=None)


def world_of(now: Now, agents: Callable[[], Sequence[Any]], findings: Callable[[], Sequence[Any]]) -> World:
    """Everything there is now, as the API answers it; of findings those that are open, and not dismissed."""

    @cache
    def domains() -> Sequence[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = msgspec.to_builtins(now.domains())
        return found

    return World(
        {
            "hosts": lambda: msgspec.to_builtins(now.hosts()),
            "domains": domains,
            "disks": lambda: owned(msgspec.to_builtins(now.disks()), domains()),
            "nics": lambda: owned(msgspec.to_builtins(now.nics()), domains()),
            "pools": lambda: msgspec.to_builtins(now.pools()),
            "agents": lambda: msgspec.to_builtins(agents()),
            "findings": lambda: msgspec.to_builtins(findings()),
        }
    )
