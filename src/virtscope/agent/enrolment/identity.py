"""Who this agent is to a server: key, certificate and whom to trust, in one file that is replaced in one step.

The file is PEM, which allows lines of text before its blocks; they say who issued it to whom::

    server: https://virtscope.example.org:8421
    agent: 0f8a…
    …
    -----BEGIN PRIVATE KEY-----      the agent's, which never leaves the host
    -----BEGIN CERTIFICATE-----      its certificate
    -----BEGIN CERTIFICATE-----      the authority that the server's certificate must come from
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path

from virtscope import private_file
from virtscope.enrolment import OVERDUE, Issued
from virtscope.errors import EnrolmentError

FOLDER = Path("/var/lib/virtscope-agent")
"""Where an agent keeps who it is, unless told otherwise."""
FILE = "identity.pem"
_ENROL = "Enrol this host: 'virtscope token create' on the server prints the line to paste."
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)
_LINE = re.compile(r"^(server|agent|name|issued|expires): (.+)$", re.MULTILINE)
_BEGIN = "-----BEGIN "


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this agent is, as of one certificate. Times are Unix seconds, by the server's clock."""

    path: Path
    server: str
    """The server's address, as ``https://virtscope.example.org:8421``."""
    agent: str
    """The agent's id."""
    name: str
    issued: float
    expires: float
    authority: str
    """Whom the server's certificate must come from (PEM)."""

    @property
    def overdue(self) -> float:
        """When its certificate should have been renewed at last."""
        return self.issued + (self.expires - self.issued) * OVERDUE

    def context(self) -> ssl.SSLContext:
        """How to speak to the server: it must be the one that issued this, and hears who we are.

        Connections that are open keep what they began with: after a renewal, begin new ones.

        Raises:
            EnrolmentError: the file cannot be used any more.
        """
        context = trusting(self.authority)
        try:
            context.load_cert_chain(self.path, password=_no_passphrase)
        except OSError as error:
            raise EnrolmentError(f"{self.path} cannot be used: {error.strerror or error}", _ENROL) from None
        return context


def load(folder: Path) -> Identity:
    """Who this agent is.

    Raises:
        EnrolmentError: it is not enrolled, or the file cannot be read, or others can read it.
    """
    path = folder / FILE
    try:
        text = path.read_text("utf-8")
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise EnrolmentError(f"this host is not enrolled: there is no {path}", _ENROL) from None
    except (OSError, UnicodeDecodeError) as error:
        raise EnrolmentError(
            f"cannot read {path}: {getattr(error, 'strerror', 'it is damaged')}", "Run it as the user that enrolled it."
        ) from None
    if mode & 0o077:
        raise EnrolmentError(
            f"others can read {path}, which holds a key", f"Close it: chmod 600 {path}; enrol again if it was read."
        )
    said = dict(_LINE.findall(text[: text.find(_BEGIN)]))
    certificates = _CERTIFICATE.findall(text)
    try:
        return Identity(
            path=path,
            server=said["server"],
            agent=said["agent"],
            name=said["name"],
            issued=float(said["issued"]),
            expires=float(said["expires"]),
            authority=certificates[-1],
        )
    except (KeyError, ValueError, IndexError):
        raise EnrolmentError(f"{path} is damaged", _ENROL) from None


def save(path: Path, server: str, key: str, issued: Issued) -> Identity:
    """Become who the server says, in one step.

    Args:
        path: of the file.
        server: who says so.
        key: the certificate's (PEM).
        issued: what the server has issued.

    Raises:
        EnrolmentError: the folder cannot be written, or the answer makes no usable file.
    """
    if not all(value.isprintable() for value in (server, issued.agent, issued.name)):
        raise EnrolmentError("the server's answer holds a name that is no line of text", "Is it a virtscope server?")
    authority = pinned_pem(issued.authority)
    text = (
        f"server: {server}\nagent: {issued.agent}\nname: {issued.name}\n"
        f"issued: {issued.issued!r}\nexpires: {issued.expires!r}\n{key}{issued.certificate.strip()}\n{authority}"
    )
    try:
        private_file.replace(path, text.encode())
    except OSError as error:
        raise EnrolmentError(
            f"cannot write {path}: {error.strerror}", "Run it as root, or as the agent's user; or name --identity DIR."
        ) from None
    return load(path.parent)


def trusting(authority: str) -> ssl.SSLContext:
    """TLS to a server whose certificate must come from this authority (PEM), and be for the name it is called by."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # An operator's authority may be one between a root and the server.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=authority)
    return context


def pinned_pem(pem: str) -> str:
    """One certificate, written again out of its bytes, so that nothing else comes along with it.

    Raises:
        EnrolmentError: it is none.
    """
    try:
        return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(pem.strip()))
    except ValueError:
        raise EnrolmentError("the server's authority is no certificate", "Is it a virtscope server?") from None


def _no_passphrase() -> str:
    """Instead of a prompt, on a machine where nobody sits."""
    raise ssl.SSLError("the key has a passphrase")
