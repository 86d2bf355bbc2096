"""Every error that people see: a sentence that says what happened, and a hint that says what to do.

VirtscopeError
├── BadInput             what was asked for makes no sense
│   ├── BadUri           a connection URI that is malformed or not allowed
│   ├── BadSettings      settings that are unknown, or have values that make no sense
│   ├── TooLarge         an answer or a range beyond the limits
│   └── Taken            a name that somebody has already
├── NotAllowed           whoever asks may not do this
│   └── NotSignedIn      the server does not know who asks
├── Cancelled            what was asked for is not wanted any more
├── TooOften             asked too often; in a while it may be asked again
├── NotFound             no host, domain or quantity of that name
├── Ambiguous            a name that fits more than one object
├── HypervisorError      libvirt refused, or did not answer
│   ├── Unreachable      no connection to the host
│   └── Late             no answer within the deadline
├── DiscoveryError       a source of hosts did not answer, or not with a list of hosts
├── EnrolmentError       a host was not enrolled, or its certificate not renewed
│   └── EnrolmentRefused the server does not want it: trying again is of no use
├── AgentRefused         an agent's token or certificate is missing, or not good (any more)
├── StoreError           the data folder cannot be used
├── EngineError          a database of time series did not answer, or answered with an error
├── SpoolError           the agent's spool cannot be used
├── WireError            what travels between agent and server
│   ├── Malformed        bytes that cannot be understood, now or later
│   └── TooNew           what only a newer version can read
├── ReceiverError        somebody could not be told of an alert
└── ServerError          a virtscope server did not answer, or answered with an error
"""

from __future__ import annotations

from collections.abc import Sequence


class VirtscopeError(Exception):
    """What happened, to which object; ``hint`` says what to do next."""

    exit_status = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class BadInput(VirtscopeError):
    """What was asked for makes no sense."""

    exit_status = 2


class BadUri(BadInput):
    """A connection URI that is malformed or not allowed."""


class BadSettings(BadInput):
    """Settings that are unknown, or have values that make no sense: all of them at once."""

    def __init__(self, program: str, problems: Sequence[str]) -> None:
        """Each problem is a sentence that names the place, the setting and the value."""
        more = len(problems) > 1
        advice = f"'virtscope {program} --help' lists the settings, and --check shows where each comes from."
        super().__init__(
            f"{len(problems)} settings make no sense" if more else problems[0],
            "\n".join([*(problems if more else ()), advice]),
        )
        self.problems = tuple(problems)


class TooLarge(BadInput):
    """An answer or a range beyond the limits."""


class Taken(BadInput):
    """A name that somebody has already."""


class NotAllowed(VirtscopeError):
    """Whoever asks may not do this."""

    exit_status = 7


class NotSignedIn(NotAllowed):
    """The server does not know who asks."""


class Cancelled(VirtscopeError):
    """What was asked for is not wanted any more."""


class TooOften(VirtscopeError):
    """Asked too often; after ``seconds`` it may be asked again."""

    exit_status = 7

    def __init__(self, message: str, hint: str, seconds: float) -> None:
        super().__init__(message, hint)
        self.seconds = seconds


class NotFound(VirtscopeError):
    """No host, domain or quantity of that name."""

    exit_status = 4


class Ambiguous(VirtscopeError):
    """A name that fits more than one object."""

    exit_status = 5


class HypervisorError(VirtscopeError):
    """libvirt refused, or did not answer."""

    exit_status = 3


class Unreachable(HypervisorError):
    """No connection to the host."""


class Late(HypervisorError):
    """No answer within the deadline."""


class DiscoveryError(VirtscopeError):
    """A source of hosts did not answer, or not with a list of hosts."""

    exit_status = 3


class EnrolmentError(VirtscopeError):
    """A host was not enrolled, or its certificate not renewed."""

    exit_status = 3


class EnrolmentRefused(EnrolmentError):
    """The server does not want it: trying again is of no use."""


class AgentRefused(VirtscopeError):
    """An agent's token or certificate is missing, or not good (any more)."""

    def __init__(self, message: str, hint: str = "", *, unknown: bool = False) -> None:
        """Refuse it; ``unknown`` where it has not shown who it is, rather than that it may not come in."""
        super().__init__(message, hint)
        self.unknown = unknown


class StoreError(VirtscopeError):
    """The data folder cannot be used."""

    exit_status = 6


class EngineError(VirtscopeError):
    """A database of time series did not answer, or answered with an error."""

    exit_status = 6


class SpoolError(VirtscopeError):
    """The agent's spool cannot be used."""

    exit_status = 6


class WireError(VirtscopeError):
    """What travels between agent and server."""


class Malformed(WireError):
    """Bytes that cannot be understood: sending them again will not help."""


class TooNew(WireError):
    """What only a newer version can read: it is kept until somebody upgrades."""


class ServerError(VirtscopeError):
    """A virtscope server did not answer, or answered with an error."""

    exit_status = 3


class ReceiverError(VirtscopeError):
    """Somebody could not be told of an alert."""
