"""What the alerts' book forgets, and what it keeps."""

from __future__ import annotations

from pathlib import Path

from tests.server.access.serving import Clock
from virtscope.alerts.evaluate import Alert, Change, Subject
from virtscope.alerts.message import Message
from virtscope.alerts.receiver import Receiver
from virtscope.alerts.rule import Severity
from virtscope.server.access.registry import Registry
from virtscope.server.alerting.book import DEAD_DAYS, MOST_TRIES, Book


def test_what_could_not_be_told_is_not_kept_for_ever(tmp_path: Path) -> None:
    clock, registry = Clock(), Registry(tmp_path)
    book = Book(registry, clock)
    book.add_receiver(Receiver("ops", "jsons://example.org"), Severity.INFO, "ana")
    for title in ("given up", "waits"):
        book.post("ops", Message(title, "", Severity.INFO, is_resolved=False))
    for _ in range(MOST_TRIES):
        book.not_sent(book.letters()[0], "no answer")
        book.forget()
    assert [letter.is_dead for letter in book.letters()] == [True, False]
    clock.now += (DEAD_DAYS + 1) * 86_400
    book.forget()
    assert [letter.message.title for letter in book.letters()] == ["waits"]
    registry.close()


def test_a_limit_counts_what_somebody_may_see(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    book = Book(registry)
    for number, domain in enumerate(["mine", *["others"] * 5]):
        alert = Alert("rule", Subject("domains", domain, domain, "h", "kvm1", domain, ""), since=1, fired=1)
        book.record([alert], (), [(Change(alert, number), Severity.INFO, "")], ())
    for domains, found in ((["mine"], ["mine"]), ([], []), (None, ["others"])):
        history = book.history(0, 100, limit=1, domains=domains)
        assert [entry.alert.subject.domain for entry in history] == found
    registry.close()
