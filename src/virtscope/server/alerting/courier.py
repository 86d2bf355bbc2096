"""The courier: the thread that tells people. What cannot be sent is tried again, later and later, and then kept."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from virtscope.alerts.evaluate import Alert
from virtscope.alerts.receiver import Receiver, hand_over, tell
from virtscope.alerts.rule import Rule
from virtscope.alerts.silence import silenced
from virtscope.errors import ReceiverError, VirtscopeError
from virtscope.pulse import Pulse
from virtscope.sample import now_ms
from virtscope.server.alerting.book import Book, Letter

log = logging.getLogger(__name__)

PAUSE_SECONDS = 10.0
HAND_OVER_SECONDS = 60.0
"""An Alertmanager is told again so often what fires: what it is not told again is over to it."""
ROUND_SECONDS = 900.0


class Courier:
    """The thread."""

    def __init__(
        self,
        book: Book,
        alerts: Callable[[], Sequence[Alert]],
        address: str,
        allowed: Sequence[str],
        pulse: Pulse | None = None,
    ) -> None:
        """Start.

        Args:
            book: what is to be told, and to whom.
            alerts: every alert as it is now, for Alertmanagers.
            address: where the page is, for links.
            allowed: networks that receivers may be in though they are not public.
            pulse: hears when the thread will come round again.
        """
        self._book, self._alerts, self._address, self._allowed = book, alerts, address, allowed
        self._pulse = pulse or Pulse()
        self._handed = 0.0
        self._fired: frozenset[tuple[str, str]] = frozenset()
        self._wake = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to tell; from any thread."""
        self._wake.set()

    def stop(self) -> None:
        """End when what is being sent is sent."""
        self._ended.set()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._pulse.expect("courier", ROUND_SECONDS)
            try:
                self._round()
            except VirtscopeError as error:
                log.warning("%s %s", error, error.hint)
            except Exception:
                log.exception("BUG: nobody could be told")  # and it is tried again
            self._wake.wait(PAUSE_SECONDS)
            self._wake.clear()
        self._pulse.forget("courier")

    def _round(self) -> None:
        known = {kept.receiver.name: kept.receiver for kept in self._book.receivers()}
        failed: set[str] = set()
        for letter in self._book.letters(due=True):
            if self._ended.is_set():
                return
            self._pulse.expect("courier", ROUND_SECONDS)  # many that do not answer take long, one after another
            if letter.receiver not in known or letter.receiver in failed:
                continue  # he came or went meanwhile
            if not self._deliver(known[letter.receiver], letter):
                failed.add(letter.receiver)  # its other letters wait for their turn
        self._hand_over([one for one in known.values() if one.is_alertmanager])

    def _deliver(self, receiver: Receiver, letter: Letter) -> bool:
        try:
            tell(receiver, letter.message, self._allowed)
        except ReceiverError as error:
            log.warning("%s", error)
            self._book.not_sent(letter, str(error))
            return False
        self._book.sent(letter)
        return True

    def _hand_over(self, managers: Sequence[Receiver]) -> None:
        """Tell Alertmanagers what fires, now and then and whenever that is other than it was."""
        if not managers:
            return
        firing = [alert for alert in self._alerts() if alert.fired is not None]
        keys = frozenset((alert.rule, alert.subject.id) for alert in firing)
        if keys == self._fired and time.monotonic() - self._handed < HAND_OVER_SECONDS:
            return
        rules = {rule.name: rule for rule in self._book.rules()}
        silent = silenced(self._book.silences(), now_ms())
        told = [
            _for_alertmanager(alert, rules[alert.rule], self._address)
            for alert in firing
            if alert.rule in rules and not silent(alert, rules[alert.rule].severity)
        ]
        since = int((time.time() - 300) * 1000)
        over = [
            {**_for_alertmanager(entry.alert, rules[entry.alert.rule], self._address), "endsAt": _moment(entry.at)}
            for entry in self._book.history(since, now_ms() + 1)
            if entry.what != "fired"
            and entry.alert.rule in rules
            and (entry.alert.rule, entry.alert.subject.id) not in keys
        ]
        for manager in managers:
            try:
                hand_over(manager, [*told, *over], self._allowed)
                self._book.heard(manager.name, None)
            except ReceiverError as error:
                log.warning("%s", error)
                self._book.heard(manager.name, str(error))
        self._fired, self._handed = keys, time.monotonic()


def _for_alertmanager(alert: Alert, rule: Rule, address: str) -> Mapping[str, Any]:
    """An alert as Alertmanager's API v2 takes it. Labels tell it from others; annotations are for people."""
    subject = alert.subject
    labels = {
        "alertname": rule.name,
        "severity": rule.severity.value,
        "kind": subject.kind,
        "id": subject.id,
        "name": subject.name,
        "host": subject.host_name,
        "project": subject.project,
    }
    # Four rounds without a word, and it takes the alert for resolved.
    ends = datetime.fromtimestamp(time.time() + 4 * HAND_OVER_SECONDS, UTC)
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {"summary": f"{rule.name}: {subject.name}", "description": rule.text, "condition": rule.when},
        "startsAt": _moment(alert.fired or alert.since),
        "endsAt": ends.isoformat(),
        "generatorURL": f"{address}alerts",
    }


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat()
