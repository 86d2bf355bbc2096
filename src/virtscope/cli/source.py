"""Where the command line's answers come from: a server, or hypervisors asked directly. Both answer alike."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import quote, urlencode

import msgspec
import urllib3

from virtscope.cli import credentials
from virtscope.cli.connection import PATIENCE_SECONDS, UNIX, connection, default_address, refuse_open
from virtscope.cli.credentials import Credential
from virtscope.errors import Ambiguous, BadInput, NotAllowed, NotFound, NotSignedIn, ServerError, VirtscopeError

Item: TypeAlias = dict[str, Any]
"""A host, domain, disk or interface, as the API answers it."""


Kind: TypeAlias = Literal["hosts", "domains", "disks", "nics", "filters", "networks", "pools"]
"""What can be listed; also the path and the field of the API's answer."""

_PATIENT = urllib3.Timeout(connect=3, read=86_400)


@dataclass(frozen=True, slots=True)
class Happened:
    """Which events are asked for. Times are Unix seconds."""

    since: float
    until: float | None = None
    host: str = ""
    domain: str = ""
    kind: str = ""
    limit: int = 200


@dataclass(frozen=True, slots=True)
class Curves:
    """Quantities of one object over a time."""

    times: Sequence[float]
    """The beginnings of the steps, Unix seconds."""
    values: Mapping[str, Sequence[float | None]]
    """A value for each step, by quantity; null is unknown."""


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

    def alerts(self) -> Item:
        """What fires, is about to, or is not known of now (``alerts``), and why rules cannot be asked (``problem``).

        Raises:
            BadInput: nobody here asks rules.
            NotFound: this server does not.
        """

    def follow(self, which: Happened) -> Iterator[Item]:
        """What happens from now on, as it happens, without end."""

    def curves(self, domain: str, quantities: Sequence[str], seconds: float) -> Curves:
        """A domain's quantities over the last seconds, by its UUID; BadInput where nobody remembers."""

    def pace(self, interval: float) -> None:
        """From now on be asked every so many seconds."""


class Server:
    """A virtscope server's API."""

    def __init__(
        self, address: str = "", credential: Credential | None = None, patience: float = PATIENCE_SECONDS
    ) -> None:
        """Take the server's address: ``https://…``, ``http://127.0.0.1:8420``, ``unix:/…``; without one this machine's.

        It is shown the credential given, or else the one that is kept for it. An answer is waited for so many seconds.

        Raises:
            BadInput: that is no address of a server, or a file cannot be read.
            ServerError: a secret would be sent where others can read it.
        """
        wanted = address or default_address()
        shown = credential or credentials.of(wanted.rstrip("/"))
        self._reached = connection(wanted, shown.ca, patience)
        self._headers: dict[str, str] = {}
        if shown.token and not wanted.startswith(UNIX):
            refuse_open(self._reached)
            self._headers["Authorization"] = f"Bearer {shown.token}"

    @property
    def address(self) -> str:
        """As people write it."""
        return self._reached.address

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

    def alerts(self) -> Item:
        """What fires, is about to, or is not known of now, and why rules cannot be asked."""
        return self._item("alerts")

    def follow(self, which: Happened) -> Iterator[Item]:
        """What happens from now on, as it happens, without end.

        Raises:
            ServerError: the server cannot be reached, or ends.
        """
        wanted = matcher(self, which)
        try:
            answer = self._reached.pool.request(
                "GET",
                f"{self._reached.base}/api/v1/live",
                headers=self._headers,
                preload_content=False,
                timeout=urllib3.Timeout(3, read=60),
            )
            if answer.status != 200:
                raise self._refused(answer.status, json.loads(answer.read()))
            kind = ""
            for line in _lines(answer):
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data" and kind == "event" and wanted(item := json.loads(value)):
                    yield item
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise self._unreachable(error) from None
        raise ServerError(f"the server at {self.address} has ended the stream", "Ask again when it runs.")

    def curves(self, domain: str, quantities: Sequence[str], seconds: float) -> Curves:
        """A domain's quantities over the last seconds, by its UUID."""
        query = [("scope", "domain"), ("object", domain), ("start", str(-seconds))]
        found = self.get("series", [*query, *(("quantity", name) for name in quantities)])
        return Curves(found["times"], {item["quantity"]: item["points"] for item in found["series"]})

    def pace(self, interval: float) -> None:
        """Nothing changes: a server has its own."""

    def get(self, path: str, parameters: Iterable[tuple[str, str]] = ()) -> Any:
        """The JSON answer of a path below ``/api/v1``.

        Raises:
            ServerError: the server cannot be reached, or fails.
            NotFound: it knows no such object.
        """
        query = urlencode(list(parameters))
        return self.send("GET", f"{path}{'?' if query else ''}{query}")

    def patiently(self, method: str, path: str, body: object = None) -> Any:
        """The same for what takes its time: the answer may be hours away."""
        return self._asked(method, path, body, {}, _PATIENT)[0]

    @contextmanager
    def streamed(self, path: str, method: str = "GET", body: object = None) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer to read bit by bit, however long it is. Raises as ``get`` does."""
        try:
            answer = self._request(method, path, body, {}, _PATIENT, preload_content=False)
            if answer.status != 200:
                raise self._refused(answer.status, json.loads(answer.read()))
            with closing(answer):
                yield answer
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise self._unreachable(error) from None

    def send(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """The JSON answer to a request below ``/api/v1``; None where there is none. Raises as ``get`` does."""
        return self.ask(method, path, body, **headers)[0]

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[Any, Mapping[str, str]]:
        """The same with the headers of the answer."""
        return self._asked(method, path, body, headers)

    def _asked(
        self, method: str, path: str, body: object, headers: Mapping[str, str], timeout: urllib3.Timeout | None = None
    ) -> tuple[Any, Mapping[str, str]]:
        try:
            answer = self._request(method, path, body, headers, timeout)
            told = msgspec.json.decode(answer.data) if answer.data else {}
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise self._unreachable(error) from None
        if 200 <= answer.status < 300:
            return told or None, answer.headers
        raise self._refused(answer.status, told)

    def _request(  # what a request is made of
        self,
        method: str,
        path: str,
        body: object,
        headers: Mapping[str, str],
        timeout: urllib3.Timeout | None,
        **how: Any,
    ) -> urllib3.BaseHTTPResponse:
        sent = {**self._headers, **headers} | ({} if body is None else {"Content-Type": "application/json"})
        data = None if body is None else json.dumps(body).encode()
        how |= {} if timeout is None else {"timeout": timeout}
        url = f"{self._reached.base}/api/v1/{path}"
        return self._reached.pool.request(method, url, body=data, headers=sent, redirect=False, **how)

    def _refused(self, status: int, told: Item) -> VirtscopeError:
        detail, hint = str(told.get("detail", f"status {status}")), str(told.get("hint", ""))
        if status == 401:
            return NotSignedIn(f"{self.address}: {detail}", f"virtscope login --server {self.address}")
        kinds: dict[int, type[VirtscopeError]] = {
            403: NotAllowed,
            404: NotFound,
            409: Ambiguous,
            422: BadInput,
        }
        return kinds.get(status, ServerError)(detail, hint)

    def _item(self, path: str, parameters: Iterable[tuple[str, str]] = ()) -> Item:
        found: Item = self.get(path, parameters)
        return found

    def _unreachable(self, error: Exception) -> ServerError:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return ServerError(
                f"the certificate of {self.address} is of an authority that this machine does not know",
                f"A server's own authority is pki/ca.pem in its data folder: VIRTSCOPE_CA=ca.pem, or once and for all\n"
                f"virtscope login --server {self.address} --ca ca.pem",
            )
        if self.address.startswith("http://") and "RemoteDisconnected" in str(error):
            return ServerError(
                f"what answers at {self.address} does not speak plain http",
                f"Try --server {self.address.replace('http://', 'https://', 1)}",
            )
        return ServerError(
            f"no virtscope server answers at {self.address} ({_reason(error)})",
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
