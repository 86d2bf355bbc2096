"""Where the command line's answers come from: a server, or hypervisors asked directly. Both answer alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import quote, urlencode

import urllib3

from virtscope.errors import Ambiguous, BadInput, NotFound, ServerError, VirtscopeError

Item: TypeAlias = dict[str, Any]
"""A host, domain, disk or interface, as the API answers it."""


Kind: TypeAlias = Literal["hosts", "domains", "disks", "nics", "filters", "networks", "pools"]
"""What can be listed; also the path and the field of the API's answer."""


@dataclass(frozen=True, slots=True)
class Happened:
    """Which events are asked for. Times are Unix seconds."""

    since: float
    until: float | None = None
    host: str = ""
    domain: str = ""
    kind: str = ""
    limit: int = 200


class Source(Protocol):
    """Answers in the shapes of the API."""

    def items(self, kind: Kind) -> list[Item]:
        """Everything of a kind."""

    def host(self, name: str) -> Item:
        """One host by id or name; NotFound or Ambiguous otherwise."""

    def domain(self, name: str) -> Item:
        """One domain by UUID or name, with its devices; NotFound or Ambiguous otherwise."""

    def filter(self, name: str, host: str) -> Item:
        """One network filter by name or UUID, of a host where that is given; NotFound or Ambiguous otherwise."""

    def guards(self, domain: str) -> Item:
        """The network filter of each interface of a domain."""

    def history(self, domain: str) -> list[Item]:
        """The versions of a domain's configuration, oldest first."""

    def events(self, which: Happened) -> list[Item]:
        """What happened, newest first."""

    def follow(self, which: Happened) -> Iterator[Item]:
        """What happens from now on, as it happens, without end."""


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

    def items(self, kind: Kind) -> list[Item]:
        """Everything of a kind."""
        found: list[Item] = self.get(kind)[kind]
        return found

    def host(self, name: str) -> Item:
        """One host by id or name; NotFound or Ambiguous otherwise."""
        return self._item(f"hosts/{quote(name, safe='')}")

    def domain(self, name: str) -> Item:
        """One domain by UUID or name, with its devices; NotFound or Ambiguous otherwise."""
        return self._item(f"domains/{quote(name, safe='')}")

    def filter(self, name: str, host: str) -> Item:
        """One network filter by name or UUID, of a host where that is given; NotFound or Ambiguous otherwise."""
        return self._item(f"filters/{quote(name, safe='')}", [("host", host)] if host else [])

    def guards(self, domain: str) -> Item:
        """The network filter of each interface of a domain."""
        return self._item(f"domains/{quote(domain, safe='')}/filters")

    def history(self, domain: str) -> list[Item]:
        """The versions of a domain's configuration, oldest first."""
        found: list[Item] = self._item(f"domains/{quote(domain, safe='')}/history")["versions"]
        return found

    def events(self, which: Happened) -> list[Item]:
        """What happened, newest first."""
        until = {} if which.until is None else {"until": str(which.until)}
        given = {"host": which.host, "domain": which.domain, "kind": which.kind} | until
        query = {"since": str(which.since), "limit": str(which.limit)} | {k: v for k, v in given.items() if v}
        found: list[Item] = self.get("events", query.items())["events"]
        return found

    def follow(self, which: Happened) -> Iterator[Item]:
        """What happens from now on, as it happens, without end.

        Raises:
            ServerError: the server cannot be reached, or ends.
        """
        wanted = matcher(self, which)
        try:
            answer = self._pool.request(
                "GET", f"{self._address}/api/v1/live", preload_content=False, timeout=urllib3.Timeout(3, read=60)
            )
            kind = ""
            for line in _lines(answer):
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data" and kind == "event" and wanted(item := json.loads(value)):
                    yield item
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise self._unreachable(error) from None
        raise ServerError(f"the server at {self._address} has ended the stream", "Ask again when it runs.")

    def get(self, path: str, parameters: Iterable[tuple[str, str]] = ()) -> Any:
        """The JSON answer of a path below ``/api/v1``.

        Raises:
            ServerError: the server cannot be reached, or fails.
            NotFound: it knows no such object.
        """
        query = urlencode(list(parameters))
        return self.request("GET", f"{path}{'?' if query else ''}{query}")

    def request(self, method: str, path: str, body: Item | None = None) -> Any:
        """The JSON answer to a request below ``/api/v1``; None where the answer is empty.

        Raises:
            ServerError: the server cannot be reached, or fails.
            NotFound: it knows no such object.
            Ambiguous: it knows several.
            BadInput: the request makes no sense to it.
        """
        try:
            answer = self._pool.request(method, f"{self._address}/api/v1/{path}", json=body)
            found = json.loads(answer.data) if answer.data else None
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise self._unreachable(error) from None
        if answer.status in (200, 201, 204):
            return found
        problem = found if isinstance(found, dict) else {}
        kind: type[VirtscopeError] = {404: NotFound, 409: Ambiguous, 422: BadInput}.get(answer.status, ServerError)
        raise kind(str(problem.get("detail", f"status {answer.status}")), str(problem.get("hint", "")))

    def _item(self, path: str, parameters: Iterable[tuple[str, str]] = ()) -> Item:
        found: Item = self.get(path, parameters)
        return found

    def _unreachable(self, error: Exception) -> ServerError:
        return ServerError(
            f"no virtscope server answers at {self._address} ({_reason(error)})",
            "Start one with 'virtscope up', name another with --server URL,\n"
            "or ask a hypervisor directly with --connect qemu:///system.",
        )


def matcher(source: Source, which: Happened) -> Callable[[Item], bool]:
    """Whether an event is among those that are asked for."""
    host = source.host(which.host)["id"] if which.host else None
    domain = source.domain(which.domain)["id"] if which.domain else None

    def wanted(item: Item) -> bool:
        return (
            (host is None or item["host"] == host)
            and (domain is None or item["domain"] == domain)
            and (not which.kind or item["kind"] == which.kind)
        )

    return wanted


def _lines(answer: urllib3.BaseHTTPResponse) -> Iterator[str]:
    """The lines of an answer that goes on and on."""
    rest = b""
    for part in answer.stream(amt=None):
        *whole, rest = (rest + part).split(b"\n")
        yield from (line.decode(errors="replace") for line in whole)


def _reason(error: Exception) -> str:
    text = str(getattr(error, "reason", None) or error)
    return text.rpartition("Errno")[2].partition("]")[2].strip() or text
