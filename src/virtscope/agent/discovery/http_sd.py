"""Hosts from a web server that speaks Prometheus's HTTP service discovery."""

from __future__ import annotations

import time
from collections.abc import Sequence
from urllib.parse import urljoin

import urllib3

from virtscope.agent.discovery import targets
from virtscope.agent.discovery.template import Template
from virtscope.agent.uri import ConnectionUri
from virtscope.errors import BadInput, DiscoveryError
from virtscope.unanswered import why

_SECONDS = 10.0
_MOST_REDIRECTS = 5
_CHUNK = 65_536


class HttpSource:
    """A list of targets at an address."""

    def __init__(self, address: str, template: Template, interval: float = 30.0) -> None:
        """Take the list's address.

        Raises:
            BadInput: that is no web address, or it holds a password.
        """
        self.name = address
        self.interval = interval
        self._template = template
        self._entries = targets.Entries(self.name)
        self._scheme = _checked(address).scheme
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=_SECONDS, read=_SECONDS),
            retries=False,
            # What is read is then what was sent: nothing small unpacks into something large.
            headers={"accept": "application/json", "accept-encoding": "identity", "user-agent": "virtscope"},
        )

    def hosts(self) -> Sequence[ConnectionUri]:
        """All hosts that the list names now.

        Raises:
            DiscoveryError: the server does not answer, or not with a list of targets.
        """
        try:
            body = self._get()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise DiscoveryError(
                f"{self.name} does not answer ({why(error)})", "Is the address right, and the server running?"
            ) from None
        found = targets.from_json(body, self.name)
        return self._entries.uris(found, lambda target: self._template.uri(*targets.split(target)))

    def _get(self) -> bytes:
        """The list as it is sent; whoever sends it slowly is not waited for."""
        deadline = time.monotonic() + _SECONDS
        address = self.name
        for _ in range(_MOST_REDIRECTS + 1):
            with self._pool.request("GET", address, redirect=False, preload_content=False) as answer:
                try:
                    if onward := answer.get_redirect_location():
                        address = self._onward(urljoin(address, onward))
                        continue
                    if answer.status != 200:
                        raise DiscoveryError(f"{self.name} answers with status {answer.status}", "Look at its log.")
                    return self._body(answer, deadline)
                finally:
                    answer.close()  # what was not read to its end is of no use to the next request
        raise DiscoveryError(f"{self.name} redirects more than {_MOST_REDIRECTS} times", "Give the list's own address.")

    def _onward(self, address: str) -> str:
        """Where a redirect leads, if it may."""
        try:
            scheme = _checked(address).scheme
        except BadInput as error:
            raise DiscoveryError(f"{self.name} redirects elsewhere: {error}", "Give the list's own address.") from None
        if scheme != self._scheme:
            raise DiscoveryError(
                f"{self.name} redirects from {self._scheme} to {scheme}", "Give the address that it leads to."
            )
        return address

    def _body(self, answer: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise DiscoveryError(f"{self.name} answers compressed", "It must answer as it is asked to: uncompressed.")
        body = bytearray()
        while chunk := answer.read1(_CHUNK):
            body += chunk
            if len(body) > targets.MOST_BYTES:
                raise DiscoveryError(
                    f"{self.name} answers with more than {targets.MOST_BYTES} bytes", "Is it the right address?"
                )
            if time.monotonic() > deadline:
                raise DiscoveryError(f"{self.name} has not answered within {_SECONDS:g} s", "Look at its log.")
        return bytes(body)


def _checked(address: str) -> urllib3.util.Url:
    try:
        parts = urllib3.util.parse_url(address)
    except urllib3.exceptions.HTTPError:
        parts = urllib3.util.Url()
    if parts.scheme not in ("http", "https") or not parts.host:
        raise BadInput(f"{address!r} is no web address", "Example: https://inventory.example.org/hosts")
    if parts.auth:
        raise BadInput(
            f"the address of {parts.host} holds a user's name or password",
            "Others can read it there. Give the address without.",
        )
    return parts
