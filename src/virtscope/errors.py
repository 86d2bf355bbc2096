"""Every error that people see: a sentence that says what happened, and a hint that says what to do.

VirtscopeError
├── BadInput             what was asked for makes no sense
│   ├── BadUri           a connection URI that is malformed or not allowed
│   ├── TooLarge         an answer or a range beyond the limits
│   └── Taken            a name that somebody has already
├── NotAllowed           whoever asks may not do this
│   └── NotSignedIn      the server does not know who asks
├── TooOften             asked too often; in a while it may be asked again
├── NotFound             no host, domain or quantity of that name
├── Ambiguous            a name that fits more than one object
├── HypervisorError      libvirt refused, or did not answer
│   ├── Unreachable      no connection to the host
│   └── Late             no answer within the deadline
├── DiscoveryError       a source of hosts did not answer, or not with a list of hosts
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


class Taken(BadInput):
    """A name that somebody has already."""


class NotAllowed(VirtscopeError):
    """Whoever asks may not do this."""

    exit_status = 7


class NotSignedIn(NotAllowed):
    """The server does not know who asks."""


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


class StoreError(VirtscopeError):
    """The data folder cannot be used."""

    exit_status = 6


class ServerError(VirtscopeError):
    """A virtscope server did not answer, or answered with an error."""

    exit_status = 3
