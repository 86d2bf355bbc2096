"""The agent's certificate is renewed by itself, long before it expires, with a new key each time."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from virtscope.agent.enrolment import identity, signing_request
from virtscope.agent.enrolment.exchange import Address, ask, decoded
from virtscope.agent.enrolment.identity import Identity
from virtscope.enrolment import Issued, RenewRequest
from virtscope.errors import VirtscopeError

log = logging.getLogger(__name__)

_DUE = 2 / 3
_SPREAD = 1 / 20
"""Shares of the lifetime: when it is time, and how much later at most, so that not all agents come at once."""
_FIRST_RETRY = 60.0
_LONGEST_RETRY = 3_600.0
_LONGEST_WAIT = 3_600.0
"""Seconds after which the clock is looked at again: somebody may have set it."""


def renew(known: Identity) -> Identity:
    """The identity with a new key and certificate. The one before stays good for a day, for connections that are open.

    Raises:
        EnrolmentRefused: the server does not let this agent in any more.
        EnrolmentError: it cannot be reached; the present certificate stays.
    """
    to = Address.parse(known.server)
    made = signing_request.new()
    issued = decoded(to, ask(to, known.context(), "renew", RenewRequest(made.request)), Issued)
    return identity.save(known.path, known.server, made.key, issued)


def due(known: Identity, chance: float) -> float:
    """When to renew, in Unix seconds; ``chance``, between 0 and 1, spreads agents."""
    return known.issued + (known.expires - known.issued) * (_DUE + _SPREAD * chance)


def retry_after(failures: int, left: float, chance: float) -> float:
    """Seconds until the next attempt after so many failures; ``left`` are those that the certificate is still good."""
    longest = min(_LONGEST_RETRY, max(1.0, left / 20))
    return min(longest, _FIRST_RETRY * 2.0 ** min(failures - 1, 16)) * (0.5 + chance / 2)


class Renewal:
    """The thread that renews, for as long as the agent runs."""

    def __init__(self, known: Identity, renewed: Callable[[Identity], None]) -> None:
        """Start.

        Args:
            known: who the agent is.
            renewed: told, in that thread, of each new certificate: new connections should show it.
        """
        self._identity = known
        self._renewed = renewed
        self._problem: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)
        self._thread.start()

    @property
    def identity(self) -> Identity:
        """Who the agent is now."""
        return self._identity

    @property
    def problem(self) -> str | None:
        """Why the certificate could not be renewed though it was time; None where all is well."""
        return self._problem

    def stop(self) -> None:
        """End; an exchange that is under way is not waited for."""
        self._ended.set()

    def _run(self) -> None:
        failures = 0
        at = due(self._identity, random.random())
        while not self._wait_until(at):
            self._problem = self._try()
            if self._problem is None:
                failures = 0
                at = due(self._identity, random.random())
            else:
                failures += 1
                left = self._identity.expires - time.time()
                at = time.time() + retry_after(failures, left, random.random())

    def _try(self) -> str | None:
        """Renew; why not, where that fails."""
        try:
            self._identity = renew(self._identity)
            self._renewed(self._identity)
        except VirtscopeError as error:
            log.warning("the certificate cannot be renewed: %s %s", error, error.hint)
            return str(error)
        except Exception as error:
            # Whatever it is: a thread that is gone would let the certificate expire.
            log.exception("the certificate cannot be renewed")
            return f"{type(error).__name__}: {error}"
        log.info("the certificate of agent %s is renewed", self._identity.name)
        return None

    def _wait_until(self, at: float) -> bool:
        """Whether it was told to end before that time (Unix seconds)."""
        while (left := at - time.time()) > 0:
            if self._ended.wait(min(left, _LONGEST_WAIT)):
                return True
        return self._ended.is_set()
