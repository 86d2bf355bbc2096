"""Receivers: who is told. Mail, chat and webhooks by apprise, and Prometheus' Alertmanager.

What is sent is sent by a process of its own (``sending/``): it is told everything over its standard input, may connect
only where the operator allows it, is ended when it takes too long, and what its libraries cost goes with it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from virtscope.alerts.message import Message
from virtscope.errors import BadInput, ReceiverError

SECONDS = 60.0
"""For one message to be sent."""
ALERTMANAGER = ("alertmanager", "alertmanagers")
"""Schemes of an Alertmanager's address: over http, and over https."""
_LOCAL = frozenset({"dbus", "glib", "gnome", "kde", "macosx", "qt", "syslog", "termux", "windows"})
"""What apprise can do to the machine it runs on."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Somebody who is told."""

    name: str
    url: str = field(repr=False)
    """As apprise writes it (``mailto://…``, ``slack://…``), or ``alertmanager://host:9093``: a secret."""

    @property
    def scheme(self) -> str:
        """How he is reached."""
        return self.url.partition(":")[0].casefold()

    @property
    def is_alertmanager(self) -> bool:
        """Whether it wants the alerts themselves, and tells people by itself."""
        return self.scheme in ALERTMANAGER

    @property
    def shown(self) -> str:
        """The address without anything secret."""
        parts = urlsplit(self.url)
        try:
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            port = ""
        has_host = self.is_alertmanager or self.scheme in ("json", "jsons", "xml", "xmls", "form", "forms")
        return f"{self.scheme}://{parts.hostname}{port}" if has_host and parts.hostname else f"{self.scheme}://…"


def require_receiver(receiver: Receiver) -> None:
    """Check an address before it is kept.

    Raises:
        BadInput: it is none, or acts on this machine instead of telling somebody.
    """
    if "://" not in receiver.url or not receiver.scheme:
        raise BadInput("that is no address", "Examples: mailto://user:password@example.org, jsons://example.org/hook")
    if receiver.scheme in _LOCAL:
        raise BadInput(f"{receiver.scheme}:// acts on the server itself", "Choose mail, a chat, or a webhook.")
    if not receiver.is_alertmanager and (reason := _ask({"check": receiver.url})):
        raise BadInput(reason, "See https://github.com/caronc/apprise/wiki for how addresses are written.")


def tell(receiver: Receiver, message: Message, allowed: Sequence[str]) -> None:
    """Tell somebody; waits until it is sent.

    Args:
        receiver: who.
        message: what.
        allowed: networks (CIDR) that may be connected to though they are not public.

    Raises:
        ReceiverError: it could not be sent.
    """
    kind = "success" if message.is_resolved else {"info": "info", "warning": "warning"}.get(message.severity, "failure")
    _send(receiver, {"url": receiver.url, "title": message.title, "body": message.body, "type": kind}, allowed)


def hand_over(receiver: Receiver, alerts: Sequence[Mapping[str, Any]], allowed: Sequence[str]) -> None:
    """Tell an Alertmanager of alerts (its API v2).

    Raises:
        ReceiverError: it could not be told.
    """
    parts = urlsplit(receiver.url)
    scheme = "https" if receiver.scheme == ALERTMANAGER[1] else "http"
    url = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/api/v2/alerts"
    _send(receiver, {"post": url, "alerts": list(alerts)}, allowed)


def _send(receiver: Receiver, what: dict[str, Any], allowed: Sequence[str]) -> None:
    if reason := _ask({**what, "allowed": list(allowed)}):
        raise ReceiverError(f"{receiver.name} could not be told: {reason}")


def _ask(what: Mapping[str, Any]) -> str | None:
    """Have the process do something; why it did not, where it did not."""
    command = [sys.executable, "-m", "virtscope.alerts.sending.sender"]
    try:
        answer = subprocess.run(
            command, input=json.dumps(what), capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {SECONDS:.0f} s"
    if answer.returncode:
        return "the sender has failed: " + (answer.stderr.strip().splitlines() or ["without a word"])[-1][:200]
    reason: str | None = json.loads(answer.stdout)["problem"]
    return reason
