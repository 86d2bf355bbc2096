"""A host becomes an agent: it makes sure of the server, and only then tells it the token."""

from __future__ import annotations

import hashlib
import hmac
import ssl
from pathlib import Path

from virtscope import private_file
from virtscope.agent.enrolment import identity, signing_request
from virtscope.agent.enrolment.exchange import Address, ask, decoded
from virtscope.agent.enrolment.identity import Identity
from virtscope.agent.enrolment.signing_request import KeyAndRequest
from virtscope.enrolment import EnrolmentToken, EnrolRequest, Issued, Myself, fingerprint_text
from virtscope.errors import EnrolmentError, EnrolmentRefused

PENDING = "pending.pem"


def enrol(server: str, token: str, name: str, folder: Path) -> Identity:
    """Enrol this host with a server.

    Where an answer is lost, the same again gets it: the key that was begun with is kept until then. Where the host is
    enrolled with this server already, and may come in, nothing is done.

    Args:
        server: its address, as ``https://virtscope.example.org:8421``.
        token: the invitation.
        name: what this host is called, unless the invitation says.
        folder: where the agent keeps who it is.

    Raises:
        BadInput: the address or the token makes no sense.
        EnrolmentRefused: the server does not want it.
        EnrolmentError: the server is another one than the token's, or cannot be reached; or nothing can be written.
    """
    to = Address.parse(server)
    invitation = EnrolmentToken.parse(token)
    authority = _authority(to, invitation)
    if (known := _already(to, authority, folder)) is not None:
        return known
    pending = _pending(folder)
    asked = EnrolRequest(invitation.text, name, pending.request)
    issued = decoded(to, ask(to, identity.trusting(authority), "enrol", asked), Issued)
    made = identity.save(folder / identity.FILE, str(to), pending.key, issued)
    (folder / PENDING).unlink(missing_ok=True)
    return made


def _authority(to: Address, invitation: EnrolmentToken) -> str:
    """The authority (PEM) that the token names, as the server hands it out.

    Whoever answers here is not trusted, and is told nothing: what counts is the fingerprint of what he answers.
    """
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    authority = identity.pinned_pem(ask(to, anybody, "authority").decode("ascii", "replace"))
    found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(authority)).digest()
    if not hmac.compare_digest(found, invitation.fingerprint):
        raise EnrolmentError(
            f"{to} is not the server that this token is of: its authority is {fingerprint_text(found)},"
            f" the token's {fingerprint_text(invitation.fingerprint)}",
            "Either the address is wrong, or somebody is in between. The token was not sent.",
        )
    return authority


def _already(to: Address, authority: str, folder: Path) -> Identity | None:
    """Who this host is to this server already; None where it is nobody, or not let in any more."""
    try:
        known = identity.load(folder)
    except EnrolmentError:
        return None
    if known.server != str(to) or known.authority != authority:
        return None
    try:
        decoded(to, ask(to, known.context(), "me"), Myself)
    except EnrolmentRefused:
        return None
    return known


def _pending(folder: Path) -> KeyAndRequest:
    """The key that an earlier attempt began with, or a new one, which is kept before it is used."""
    path = folder / PENDING
    try:
        found = signing_request.parse(path.read_text("ascii"))
        if found.key and found.request:
            return found
    except (OSError, UnicodeDecodeError):
        pass  # there was none
    made = signing_request.new()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        private_file.replace(path, made.pem.encode())
    except OSError as error:
        raise EnrolmentError(
            f"cannot write {path}: {error.strerror}", "Run it as root, or as the agent's user; or name --identity DIR."
        ) from None
    return made
