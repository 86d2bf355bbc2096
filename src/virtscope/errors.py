"""Every error that people see: a sentence that says what happened, and a hint that says what to do.

VirtscopeError
├── BadInput             what was asked for makes no sense
│   ├── BadUri           a connection URI that is malformed or not allowed
│   └── TooLarge         an answer or a range beyond the limits
├── NotFound             no host, domain or quantity of that name
├── Ambiguous            a name that fits more than one object
├── HypervisorError      libvirt refused, or did not answer
│   ├── Unreachable      no connection to the host
│   └── Late             no answer within the deadline
├── DiscoveryError       a source of hosts did not answer, or not with a list of hosts
├── EnrolmentError       a host was not enrolled, or its certificate not renewed
│   └── EnrolmentRefused the server does not want it: trying again is of no use
├── AgentRefused         an agent's token or certificate is missing, or not good (any more)
├── TooOften             somebody has been refused too often to be listened to at the moment
├── StoreError           the data folder cannot be used
└── ServerError          a virtscope server did not answer, or answered with an error
"""

from __future__ import annotations


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


class TooLarge(BadInput):
    """An answer or a range beyond the limits."""


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


class TooOften(VirtscopeError):
    """Somebody has been refused too often to be listened to at the moment."""

    def __init__(self, message: str, hint: str, seconds: float) -> None:
        """Refuse it; ``seconds`` until it may be tried again."""
        super().__init__(message, hint)
        self.seconds = seconds


class StoreError(VirtscopeError):
    """The data folder cannot be used."""

    exit_status = 6


class ServerError(VirtscopeError):
    """A virtscope server did not answer, or answered with an error."""

    exit_status = 3
