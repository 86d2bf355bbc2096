"""One question to the server about who we are, and its answer; errors as sentences."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from virtscope import __version__
from virtscope.enrolment import PATH, PORT
from virtscope.errors import BadInput, EnrolmentError, EnrolmentRefused

T = TypeVar("T")

_SECONDS = 15.0
_LARGEST = 262_144
_NOT_YET_VALID, _EXPIRED = 9, 10
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens for agents."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address of a text, as ``https://virtscope.example.org:8421``.

        Raises:
            BadInput: it is none, or not of https.
        """
        hint = f"Example: https://virtscope.example.org:{PORT}"
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port or PORT
        except ValueError:
            host, port = None, PORT
            parts = urlsplit("")
        if parts.scheme == "http":
            raise BadInput(f"{text!r} is not encrypted: agents speak https only", hint)
        extra = parts.username is not None or parts.query or parts.fragment or parts.path not in ("", "/")
        if parts.scheme != "https" or not host or extra:
            raise BadInput(f"{text!r} is no server's address", hint)
        return cls(host, port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}"


def ask(to: Address, context: ssl.SSLContext, path: str, message: object = None) -> bytes:
    """The answer to a question below the path of agents; a message is posted as JSON.

    Raises:
        EnrolmentRefused: the server does not want it.
        EnrolmentError: it cannot be reached or trusted, or fails.
    """
    connection = http.client.HTTPSConnection(to.host, to.port, timeout=_SECONDS, context=context)
    headers = {"User-Agent": f"virtscope-agent/{__version__}", "Content-Type": "application/json"}
    content = None if message is None else msgspec.json.encode(message)
    try:
        connection.request("GET" if content is None else "POST", f"{PATH}/{path}", content, headers)
        answer = connection.getresponse()
        body = answer.read(_LARGEST)
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(to, error) from None
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise _refusal(to, answer.status, body)
    return body


def decoded(to: Address, body: bytes, kind: type[T]) -> T:
    """An answer as what it should be.

    Raises:
        EnrolmentError: it is something else.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise EnrolmentError(f"{to} does not answer as a virtscope server does", "Check address and port.") from None


def _refusal(to: Address, status: int, body: bytes) -> EnrolmentError:
    try:
        problem = msgspec.json.decode(body, type=dict[str, object])
    except (msgspec.MsgspecError, ValueError, RecursionError):
        problem = {}
    detail = str(problem.get("detail", f"it answers with status {status}"))
    hint = str(problem.get("hint", "Check address and port: agents have a port of their own."))
    kind = EnrolmentRefused if status in (400, 401, 403, 404, 405, 422) else EnrolmentError
    return kind(f"{to}: {detail}", hint)


def _unreachable(to: Address, error: Exception) -> EnrolmentError:
    match error:
        case ssl.SSLCertVerificationError(verify_code=code) if code in (_NOT_YET_VALID, _EXPIRED):
            return EnrolmentError(
                f"the certificate of {to} is not valid at this host's time ({error.verify_message})",
                "Is the clock of this host right? 'timedatectl' tells. If so, the server's certificate has expired.",
            )
        case ssl.SSLCertVerificationError():
            return EnrolmentError(
                f"{to} cannot be trusted: {error.verify_message}",
                "Its certificate must come from the authority that the token names, and be for the name it is called\n"
                "by. Is that name among the names that the server was given?",
            )
        case ssl.SSLError():
            return EnrolmentError(
                f"{to} does not speak TLS as it should ({error.reason or error})",
                "Check the port: agents have one of their own. A certificate may also have been refused.",
            )
        case socket.gaierror():
            return EnrolmentError(f"there is no host {to.host!r}: {error.strerror}", "Check the name, and DNS.")
        case TimeoutError():
            return EnrolmentError(f"{to} does not answer within {_SECONDS:g} s", "Is a firewall between?")
        case OSError():
            return EnrolmentError(f"{to} cannot be reached: {error.strerror or error}", "Does the server run there?")
        case _:
            return EnrolmentError(f"{to} does not speak HTTP ({type(error).__name__})", "Check address and port.")
