"""Where the command line's answers come from: a server, or hypervisors asked directly. Both answer alike."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias
from urllib.parse import quote, urlencode

import urllib3

from virtscope.errors import Ambiguous, BadInput, NotFound, ServerError, VirtscopeError

Item: TypeAlias = dict[str, Any]
"""A host, domain, disk or interface, as the API answers it."""


class Source(Protocol):
    """Answers about now, in the shapes of the API."""

    def hosts(self) -> list[Item]:
        """Every host."""

    def domains(self) -> list[Item]:
        """Every domain."""

    def disks(self) -> list[Item]:
        """Every disk of every domain."""

    def nics(self) -> list[Item]:
        """Every network interface of every domain."""

    def host(self, name: str) -> Item:
        """One host by id or name; NotFound or Ambiguous otherwise."""

    def domain(self, name: str) -> Item:
        """One domain by UUID or name, with its devices; NotFound or Ambiguous otherwise."""


class Server:
    """A virtscope server's API."""

    def __init__(self, address: str) -> None:
        """Take the server's address, as ``http://127.0.0.1:8420``.

        Raises:
            BadInput: that is no address of a server.
        """
        self._address = address.rstrip("/")
        if not self._address.startswith(("http://", "https://")):
            raise BadInput(f"{address!r} is no server's address", "Example: --server http://127.0.0.1:8420")
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=3, read=30), retries=False)

    def hosts(self) -> list[Item]:
        """Every host."""
        return self._list("hosts")

    def domains(self) -> list[Item]:
        """Every domain."""
        return self._list("domains")

    def disks(self) -> list[Item]:
        """Every disk of every domain."""
        return self._list("disks")

    def nics(self) -> list[Item]:
        """Every network interface of every domain."""
        return self._list("nics")

    def host(self, name: str) -> Item:
        """One host by id or name; NotFound or Ambiguous otherwise."""
        return self._item(f"hosts/{quote(name, safe='')}")

    def domain(self, name: str) -> Item:
        """One domain by UUID or name, with its devices; NotFound or Ambiguous otherwise."""
        return self._item(f"domains/{quote(name, safe='')}")

    def get(self, path: str, parameters: Iterable[tuple[str, str]] = ()) -> Any:
        """The JSON answer of a path below ``/api/v1``.

        Raises:
            ServerError: the server cannot be reached, or fails.
            NotFound: it knows no such object.
        """
        query = urlencode(list(parameters))
        address = f"{self._address}/api/v1/{path}{'?' if query else ''}{query}"
        try:
            answer = self._pool.request("GET", address)
            body = json.loads(answer.data)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise ServerError(
                f"no virtscope server answers at {self._address} ({_reason(error)})",
                "Start one with 'virtscope up', name another with --server URL,\n"
                "or ask a hypervisor directly with --connect qemu:///system.",
            ) from None
        if answer.status == 200:
            return body
        kind: type[VirtscopeError] = {404: NotFound, 409: Ambiguous, 422: BadInput}.get(answer.status, ServerError)
        raise kind(str(body.get("detail", f"status {answer.status}")), str(body.get("hint", "")))

    def _list(self, name: str) -> list[Item]:
        found: list[Item] = self.get(name)[name]
        return found

    def _item(self, path: str) -> Item:
        found: Item = self.get(path)
        return found


def _reason(error: Exception) -> str:
    text = str(getattr(error, "reason", None) or error)
    return text.rpartition("Errno")[2].partition("]")[2].strip() or text
