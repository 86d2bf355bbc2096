"""What the API says of alerts. Times are Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class AlertSubject:
    """What an alert speaks of."""

    kind: str
    id: str
    name: str
    host: str
    host_name: str
    domain: str
    project: str


@dataclass(frozen=True, slots=True)
class AlertAnswer:
    """One object under one rule."""

    rule: str
    severity: str
    state: str
    """``pending``, ``firing``, or ``unknown``: it fired, and nothing is known of it now."""
    subject: AlertSubject
    since: float
    fired: float | None
    value: float | None
    """The figure that decides, in base units."""
    shown: str
    """The same for people."""
    condition: str
    text: str
    silenced: bool


@dataclass(frozen=True, slots=True)
class AlertList:
    """Every alert, the gravest first."""

    alerts: list[AlertAnswer]
    problem: str | None
    """Why the rules cannot be asked at the moment."""


@dataclass(frozen=True, slots=True)
class EntryAnswer:
    """Something that happened to an alert."""

    at: float
    what: str
    """``fired``, ``resolved``, or ``gone``: with its object."""
    rule: str
    severity: str
    subject: AlertSubject
    since: float
    value: float | None
    note: str
    """Likely causes."""


@dataclass(frozen=True, slots=True)
class History:
    """What happened, newest first."""

    entries: list[EntryAnswer]


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """A rule."""

    name: str
    on: str
    when: str
    where: str
    clear: str
    hold: float
    """Seconds."""
    rest: float
    severity: str
    text: str
    enabled: bool
    is_default: bool
    """Whether every server begins with it."""


@dataclass(frozen=True, slots=True)
class RuleList:
    """Every rule, by name."""

    rules: list[RuleAnswer]
    toml: str
    """All of them as a file."""


@dataclass(frozen=True, slots=True)
class RulesText:
    """Rules as a TOML file."""

    toml: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What is to be tried, and over which time."""

    toml: str = ""
    """Rules as a file; empty: the one that is named."""
    rule: str = ""
    start: float = -86_400.0
    """Unix seconds; a negative one counts back from now."""
    end: float | None = None


@dataclass(frozen=True, slots=True)
class FiringAnswer:
    """A stretch for which a rule would have fired."""

    rule: str
    subject: AlertSubject
    since: float
    fired: float
    resolved: float | None
    worst: float | None
    shown: str


@dataclass(frozen=True, slots=True)
class TrialAnswer:
    """When rules would have fired."""

    firings: list[FiringAnswer]
    objects: int
    """How many objects were looked at."""
    start: float
    end: float
    step: float
    """Seconds between two looks."""
    notes: list[str]
    """What the past does not tell."""


@dataclass(frozen=True, slots=True)
class SilenceAnswer:
    """A stretch of time in which nothing is told of some alerts."""

    id: int
    where: str
    begins: float
    ends: float
    reason: str
    by: str
    state: str
    """``planned``, ``active`` or ``over``."""


@dataclass(frozen=True, slots=True)
class SilenceList:
    """Every silence, the newest first."""

    silences: list[SilenceAnswer]


@dataclass(frozen=True, slots=True)
class NewSilence:
    """A silence that is wanted."""

    where: str
    """Of which alerts: ``rule:host-down host:kvm1``; empty is all."""
    reason: str
    seconds: float = 7_200.0
    begins: float | None = None
    """Null: now."""


@dataclass(frozen=True, slots=True)
class ReceiverAnswer:
    """Somebody who is told, without what is secret of his address."""

    name: str
    address: str
    least: str
    made_by: str
    told: float | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class ReceiverList:
    """Everybody who is told, by name."""

    receivers: list[ReceiverAnswer]


@dataclass(frozen=True, slots=True)
class NewReceiver:
    """Somebody who is to be told."""

    name: str
    url: str = field(repr=False)
    least: str = "warning"


@dataclass(frozen=True, slots=True)
class LetterAnswer:
    """A message that is not sent yet."""

    id: int
    receiver: str
    title: str
    made: float
    due: float
    tries: int
    problem: str | None
    is_dead: bool


@dataclass(frozen=True, slots=True)
class Outbox:
    """What is still to be told, oldest first."""

    letters: list[LetterAnswer]


@dataclass(frozen=True, slots=True)
class Revived:
    """How many dead messages are tried again."""

    count: int
