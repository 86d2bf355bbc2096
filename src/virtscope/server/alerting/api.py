"""What people ask about alerts, and set: rules, silences, receivers."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from virtscope.alerts import rules_file
from virtscope.alerts.evaluate import Alert, Subject
from virtscope.alerts.message import Message, shown
from virtscope.alerts.observe import World
from virtscope.alerts.receiver import Receiver, require_receiver
from virtscope.alerts.rule import Condition, Rule, Severity, condition
from virtscope.alerts.silence import FIELDS, Silence, silenced
from virtscope.alerts.trial import trial
from virtscope.errors import BadInput, NotAllowed, NotFound
from virtscope.sample import now_ms
from virtscope.search import matching, parse
from virtscope.server import parameters
from virtscope.server.access.routes import Asking, problems_of
from virtscope.server.access.who import Who
from virtscope.server.alerting import shapes
from virtscope.server.alerting.book import Book, Kept, Letter
from virtscope.server.alerting.courier import Courier
from virtscope.server.alerting.past import pasts
from virtscope.server.alerting.watch import Watch
from virtscope.server.scoped import Seen
from virtscope.server.services import Services

log = logging.getLogger(__name__)

LONGEST_SILENCE = 366 * 86_400.0
_NAME = r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}"
_ORDER = {severity: -number for number, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Alerting:
    """What the routes answer from."""

    book: Book
    watch: Watch
    courier: Courier
    world: Callable[[], World]


def alerting(request: Request) -> Alerting:
    """The server's alerting.

    Raises:
        NotFound: it has none.
    """
    found = getattr(request.app.state, "alerting", None)
    if not isinstance(found, Alerting):
        raise NotFound("this server asks no rules")
    return found


Here = Annotated[Alerting, Depends(alerting)]
Name = Annotated[str, Path(max_length=300)]
Number = Annotated[int, Path(ge=1, le=2**53)]
Moment = Annotated[float, Query(allow_inf_nan=False, ge=-1e10, le=1e10)]


def router() -> APIRouter:  # noqa: C901  # a list of routes, one after another
    """The routes; what they answer from is ``app.state.alerting``."""
    api = APIRouter(prefix="/api/v1", tags=["alerts"])

    @api.get("/alerts", **_answering(shapes.AlertList, 404))
    def alerts(here: Here, services: Seen) -> Response:
        """Every alert as it is now."""
        conditions = here.watch.conditions
        silent = silenced(here.book.silences(), now_ms())
        visible = _visible(services)
        found = [
            _alert(alert, conditions[alert.rule], silent(alert, conditions[alert.rule].rule.severity))
            for alert in here.watch.alerts
            if alert.rule in conditions and _is_visible(alert.subject, visible)
        ]
        found.sort(key=lambda one: (one.state == "pending", _ORDER[Severity(one.severity)], one.since))
        return _json(shapes.AlertList(found, here.watch.problem))

    @api.get("/alerts/history", **_answering(shapes.History, 404))
    def history(
        here: Here,
        services: Seen,
        since: Moment = -86_400.0,
        until: Moment | None = None,
        limit: Annotated[int, Query(ge=1, le=5_000)] = 500,
        subject: Annotated[str, Query(max_length=300)] = "",
    ) -> Response:
        """What happened to alerts, newest first; to those of one domain, or of one host without its domains, by id."""
        end = time.time() if until is None else until
        begin = end + since if since < 0 else since
        visible = _visible(services)
        entries = [
            shapes.EntryAnswer(
                at=entry.at / 1000,
                what=entry.what,
                rule=entry.alert.rule,
                severity=entry.severity.value,
                subject=_subject(entry.alert.subject),
                since=entry.alert.since / 1000,
                value=entry.alert.value,
                note=entry.note if visible is None else "",  # it names whoever is on the same host
            )
            for entry in here.book.history(int(begin * 1000), int(end * 1000) + 1, limit, subject, visible)
        ]
        return _json(shapes.History(entries))

    @api.get("/alert-rules", **_answering(shapes.RuleList, 404))
    def rules(here: Here, services: Seen) -> Response:
        """Every rule, also as a file. They name others' projects: somebody limited to some sees none."""
        return _json(shapes.RuleList([], "") if services.sight else _rules(here.book))

    @api.put("/alert-rules", **_answering(shapes.RuleList, 403, 404, 413))
    def put_rules(here: Here, who: Asking, given: shapes.RulesText) -> Response:
        """Add rules, or change those of the same names: all that the file has, or none."""
        read = rules_file.read(given.toml, "rules")
        here.book.put_rules(read, who.name)
        here.watch.wake()
        log.info("%r has set the alert rules %s", who.name, ", ".join(rule.name for rule in read))
        return _json(_rules(here.book))

    @api.delete("/alert-rules/{name}", status_code=204, **_answering(None, 403, 404, status=204))
    def remove_rule(name: Name, here: Here, who: Asking) -> Response:
        """Remove a rule; one that every server has is as it was again."""
        here.book.remove_rule(name)
        here.watch.wake()
        log.info("%r has removed the alert rule %s", who.name, name)
        return Response(status_code=204)

    @api.post("/alert-rules/trial", **_answering(shapes.TrialAnswer, 403, 404, 413, 503))
    def try_rules(here: Here, services: Seen, given: shapes.Trial) -> Response:
        """When rules would have fired, had they been there: over the past that is stored."""
        if services.sight:
            raise NotAllowed("a rule is tried on the whole fleet", "Ask somebody who may see all of it.")
        wanted = rules_file.read(given.toml, "rules") if given.toml else (here.book.rule(given.rule),)
        return _json(_trial(here, services, wanted, given))

    @api.get("/silences", **_answering(shapes.SilenceList, 404))
    def silences(here: Here, services: Seen) -> Response:
        """Every silence, the newest first; none for somebody limited to some projects."""
        now, found = time.time(), () if services.sight else here.book.silences()
        return _json(shapes.SilenceList([_silence(one, now) for one in found]))

    @api.post("/silences", status_code=201, **_answering(shapes.SilenceAnswer, 403, 404, status=201))
    def add_silence(here: Here, services: Seen, who: Asking, given: shapes.NewSilence) -> Response:
        """Have nothing told of some alerts for a time: now, or in a maintenance to come."""
        _require_whole_sight(services)
        made = here.book.silence(_wanted(given, who))
        log.info("%r silences %r until %d: %s", who.name, made.where, made.ends, made.reason)
        return _json(_silence(made, time.time()), 201)

    @api.delete("/silences/{id}", status_code=204, **_answering(None, 403, 404, status=204))
    def end_silence(id: Number, here: Here, services: Seen, who: Asking) -> Response:  # noqa: A002
        """End a silence now."""
        _require_whole_sight(services)
        here.book.end_silence(id)
        log.info("%r has ended the silence %d", who.name, id)
        return Response(status_code=204)

    @api.get("/receivers", **_answering(shapes.ReceiverList, 403, 404))
    def receivers(here: Here) -> Response:
        """Everybody who is told."""
        return _json(shapes.ReceiverList([_receiver(kept) for kept in here.book.receivers()]))

    @api.post("/receivers", status_code=201, **_answering(shapes.ReceiverAnswer, 403, 404, 409, status=201))
    def add_receiver(here: Here, who: Asking, given: shapes.NewReceiver) -> Response:
        """Have somebody told: his address is as apprise writes it, or an Alertmanager's."""
        receiver, least = _new_receiver(given)
        here.book.add_receiver(receiver, least, who.name)
        log.info("%r has added the receiver %s", who.name, receiver.name)
        return _json(_receiver(here.book.receiver(receiver.name)), 201)

    @api.delete("/receivers/{name}", status_code=204, **_answering(None, 403, 404, status=204))
    def remove_receiver(name: Name, here: Here, who: Asking) -> Response:
        """Tell somebody no more."""
        here.book.remove_receiver(name)
        log.info("%r has removed the receiver %s", who.name, name)
        return Response(status_code=204)

    @api.post("/receivers/{name}/test", status_code=202, **_answering(shapes.Outbox, 403, 404, status=202))
    def test_receiver(name: Name, here: Here, who: Asking) -> Response:
        """Send somebody a test: whether it arrives, the outbox and the receiver tell soon after."""
        here.book.receiver(name)
        text = f"{who.name} asked whether alerts reach you. They do."
        here.book.post(name, Message("[virtscope] a test", text, Severity.INFO, is_resolved=False))
        here.courier.wake()
        return _json(_outbox(here.book), 202)

    @api.get("/outbox", **_answering(shapes.Outbox, 403, 404))
    def outbox(here: Here) -> Response:
        """What is still to be told, and what could not be."""
        return _json(_outbox(here.book))

    @api.post("/outbox/retry", **_answering(shapes.Revived, 403, 404))
    def retry(here: Here, who: Asking) -> Response:
        """Try messages again that were given up."""
        count = here.book.revive()
        here.courier.wake()
        log.info("%r has %d messages tried again", who.name, count)
        return _json(shapes.Revived(count))

    return api


def _require_whole_sight(services: Services) -> None:
    """Receivers are told of the whole fleet: whoever keeps something from them has to see all of it."""
    if services.sight:
        raise NotAllowed("a silence is for the whole fleet", "Ask an operator who may see all of it.")


def _visible(services: Services) -> Collection[str] | None:
    """The domains whose alerts may be seen; None: everything."""
    return {facts.id for facts in services.fleet.domains()} if services.sight else None


def _is_visible(subject: Subject, visible: Collection[str] | None) -> bool:
    return visible is None or subject.domain in visible


def _alert(alert: Alert, ready: Condition, silent: bool) -> shapes.AlertAnswer:
    rule = ready.rule
    return shapes.AlertAnswer(
        rule=rule.name,
        severity=rule.severity.value,
        state=alert.state.value,
        subject=_subject(alert.subject),
        since=alert.since / 1000,
        fired=None if alert.fired is None else alert.fired / 1000,
        value=alert.value,
        shown=shown(alert.value, ready),
        condition=rule.when,
        text=rule.text,
        silenced=silent,
    )


def _subject(subject: Subject) -> shapes.AlertSubject:
    return shapes.AlertSubject(**asdict(subject))


def _rules(book: Book) -> shapes.RuleList:
    found = book.rules()
    answers = [
        shapes.RuleAnswer(**{**asdict(rule), "severity": rule.severity.value}, is_default=book.is_default(rule.name))
        for rule in found
    ]
    return shapes.RuleList(answers, rules_file.written(found))


def _trial(here: Alerting, services: Services, rules: tuple[Rule, ...], given: shapes.Trial) -> shapes.TrialAnswer:
    over = parameters.span(given.start, given.end, None, services.interval)
    world = here.world()
    firings, notes, objects = [], [], 0
    for rule in rules:
        ready = condition(rule)
        found = pasts(ready, world, services.store, over)
        if not found:
            notes.append(f"{rule.name}: there is no past of what it asks for, or no object that it speaks of")
        objects += len(found)
        times = [at + over.step for at in over.times]
        firings += [
            shapes.FiringAnswer(
                rule.name,
                _subject(one.subject),
                one.since / 1000,
                one.fired / 1000,
                None if one.resolved is None else one.resolved / 1000,
                one.worst,
                shown(one.worst, ready),
            )
            for one in trial(ready, found, times)
        ]
        if rule.hold * 1000 < over.step:
            notes.append(f"{rule.name}: the past is looked at every {over.step / 1000:g} s, its averages between")
    return shapes.TrialAnswer(firings, objects, over.start / 1000, over.end / 1000, over.step / 1000, notes)


def _wanted(given: shapes.NewSilence, who: Who) -> Silence:
    matching(parse(given.where), FIELDS)
    if not given.reason.strip() or len(given.reason) > 500:
        raise BadInput("a silence needs a reason", "Say in a few words why, for those who come after.")
    if not 0 < given.seconds <= LONGEST_SILENCE:
        raise BadInput(f"a silence cannot last {given.seconds:g} s", "From a second to a year.")
    begins = time.time() if given.begins is None else given.begins
    if not time.time() - 60 <= begins <= time.time() + LONGEST_SILENCE:
        raise BadInput("a silence begins now or within a year", "Times are Unix seconds.")
    return Silence(0, given.where, int(begins * 1000), int((begins + given.seconds) * 1000), given.reason, who.name)


def _silence(one: Silence, now: float) -> shapes.SilenceAnswer:
    begins, ends = one.begins / 1000, one.ends / 1000
    state = "planned" if now < begins else "active" if now < ends else "over"
    return shapes.SilenceAnswer(one.id, one.where, begins, ends, one.reason, one.by, state)


def _new_receiver(given: shapes.NewReceiver) -> tuple[Receiver, Severity]:
    if not re.fullmatch(_NAME, given.name):
        raise BadInput(f"{given.name!r} is no name for a receiver", "Letters, digits, spaces and ._- ; 64 at most.")
    if given.least not in set(Severity):
        raise BadInput(f"there is no severity {given.least!r}", f"Choose of: {', '.join(Severity)}")
    receiver = Receiver(given.name, given.url)
    require_receiver(receiver)
    return receiver, Severity(given.least)


def _receiver(kept: Kept) -> shapes.ReceiverAnswer:
    one = kept.receiver
    return shapes.ReceiverAnswer(one.name, one.shown, kept.least.value, kept.made_by, kept.told, kept.problem)


def _outbox(book: Book) -> shapes.Outbox:
    return shapes.Outbox([_letter(letter) for letter in book.letters()])


def _letter(one: Letter) -> shapes.LetterAnswer:
    return shapes.LetterAnswer(
        one.id, one.receiver, one.message.title, one.made, one.due, one.tries, one.problem, one.is_dead
    )


def _answering(model: Any, *errors: int, status: int = 200) -> dict[str, Any]:
    good: dict[str, Any] = {"model": model} if model else {}
    return {"responses": {status: good, **problems_of(401, *errors, 422)}, "response_class": Response}


def _json(answer: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, {"Cache-Control": "no-store"}, "application/json")
