"""A rule tried on what a store holds."""

from __future__ import annotations

from tests.alerts.worlds import domain, world
from tests.synthetic import Opened, batch, row, sample
from virtscope.alerts.rule import Rule, condition
from virtscope.alerts.trial import trial
from virtscope.catalogue import Scope
from virtscope.server.alerting.past import pasts
from virtscope.store import Range

MINUTE = 60_000
BEGIN = 1_790_000_040_000
KIB_OF_GIB = 1 << 20


def test_it_would_have_fired_when_it_was_so(open_store: Opened) -> None:
    ticks = [
        sample(
            "h1",
            BEGIN + minute * MINUTE,
            {
                Scope.DOMAIN: [
                    row(Scope.DOMAIN, ("d1",), memory_current=(4 if 20 <= minute < 40 else 1) * KIB_OF_GIB),
                    row(Scope.DOMAIN, ("d2",), memory_current=1 * KIB_OF_GIB),
                ]
            },
        )
        for minute in range(60)
    ]
    open_store.store.append([batch(1, *ticks)])
    ready = condition(Rule("large", "domains", "memory>3G", hold=300.0, rest=120.0))
    over = Range(BEGIN // MINUTE * MINUTE, BEGIN // MINUTE * MINUTE + 60 * MINUTE, MINUTE)
    now = world(domain("d1", memory_current=1.0), domain("d2", memory_current=1.0), domain("unheard-of"))
    found = pasts(ready, now, open_store.store, over)
    assert [past.item["id"] for past in found] == ["d1", "d2", "unheard-of"]
    (firing,) = trial(ready, found, over.times)
    assert firing.subject.id == "d1"
    assert ((firing.since - over.start) / MINUTE, (firing.fired - over.start) / MINUTE) == (20, 25)
    assert firing.resolved is not None
    assert (firing.resolved - over.start) / MINUTE == 42
    assert firing.worst == 4 << 30
