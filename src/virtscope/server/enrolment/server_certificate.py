"""The certificate that the server shows to agents: issued by its authority and renewed by itself, or the operator's."""

from __future__ import annotations

import logging
import re
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from virtscope import private_file
from virtscope.errors import BadInput, StoreError
from virtscope.server.enrolment.authority import Anchor, Authority, alternative_names, certificates_of, private_pem

log = logging.getLogger(__name__)

_RENEWED_BEFORE = timedelta(days=30)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_ELSEWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))


class ServerCertificate(Protocol):
    """A certificate with its key, in files that may change under way."""

    @property
    def anchor(self) -> Anchor:
        """Whom agents trust in order to trust it."""

    @property
    def files(self) -> tuple[Path, Path]:
        """The certificate with what is between it and the anchor, and its key."""

    def refresh(self) -> bool:
        """Bring the files up to date; whether they have changed since this was asked before.

        Raises:
            StoreError: they cannot be read or written.
        """


def show(context: ssl.SSLContext, certificate: ServerCertificate) -> None:
    """Have new connections see a certificate as it is in its files now.

    Raises:
        StoreError: the files cannot be used; new connections see what they saw before.
    """
    path, key = certificate.files
    try:
        # Tried on another context first: what fails half-way would leave this one with a certificate and no key.
        for one in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), context):
            one.load_cert_chain(path, key, password=_no_passphrase)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path} and {key} cannot be used: {error}", "They should be a certificate and its key, as PEM."
        ) from None


def show_newest(context: ssl.SSLContext, certificate: ServerCertificate) -> None:
    """Bring a certificate up to date and show it. Several ports show one, so none waits to be told that it has changed.

    The one from before goes on where the new one cannot be used.
    """
    try:
        certificate.refresh()
        show(context, certificate)
    except StoreError as error:
        log.warning("%s %s", error, error.hint)


def _no_passphrase() -> str:
    """Instead of a prompt, on a machine where nobody sits."""
    raise ssl.SSLError("the key has a passphrase")


class IssuedCertificate:
    """The server's own authority has issued it, and does so again in good time or when the names are others."""

    def __init__(self, folder: Path, authority: Authority, names: Sequence[str]) -> None:
        """Issue it where there is none that will do.

        Raises:
            StoreError: the folder cannot be used.
        """
        self._authority = authority
        self._names = tuple(dict.fromkeys(names))
        self.files = (folder / "server.pem", folder / "server.key")
        self.anchor = authority.anchor
        self.refresh()

    def refresh(self) -> bool:
        """Issue it again where that is due."""
        if self._will_do():
            return False
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._authority.server_certificate(key.public_key(), self._names)
        path, key_path = self.files
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            private_file.replace(key_path, private_pem(key))
            private_file.replace(path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        except OSError as error:
            raise StoreError(f"cannot write {path}: {error.strerror}", "Is the data folder writable?") from None
        log.info("the server has a new certificate, for %s", ", ".join(self._names))
        return True

    def _will_do(self) -> bool:
        path, key_path = self.files
        try:
            certificate = certificates_of(path)[0]
            certificate.verify_directly_issued_by(self._authority.anchor.certificate)
            named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            key = serialization.load_pem_private_key(key_path.read_bytes(), None)
        except (StoreError, OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False
        now = datetime.fromtimestamp(self._authority.clock(), UTC)
        return (
            key.public_key() == certificate.public_key()
            and certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEWED_BEFORE
            and list(named) == alternative_names(self._names)
        )


class GivenCertificate:
    """The operator's, who also renews it: the files are read again when they have changed."""

    def __init__(self, certificate: Path, key: Path, authority: Path | None = None) -> None:
        """Take the files as they are.

        Args:
            certificate: the server's certificate with its chain.
            key: its key, without a passphrase.
            authority: whom agents are to trust; the last certificate of the chain where that is not said.

        Raises:
            StoreError: they cannot be read.
        """
        self.files = (certificate, key)
        self._stamp = self._stamped()
        chain = certificates_of(certificate)
        self.anchor = Anchor(certificates_of(authority)[0] if authority else chain[-1])

    def refresh(self) -> bool:
        """Whether the operator has replaced them."""
        before, self._stamp = self._stamp, self._stamped()
        return self._stamp != before

    def _stamped(self) -> tuple[int, ...]:
        try:
            found = [path.stat() for path in self.files]
        except OSError as error:
            raise StoreError(
                f"cannot read {error.filename}: {error.strerror}", "Check the path and its owner."
            ) from None
        return tuple(stamp for file in found for stamp in (file.st_mtime_ns, file.st_ino))


def listening_names(host: str, given: Sequence[str] = ()) -> tuple[str, ...]:
    """The names and addresses by which a server is reached that listens there, those the operator gives first.

    Raises:
        BadInput: one that was given is no name.
    """
    for name in given:
        if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", name):
            raise BadInput(f"{name!r} is no name or address of a server", "Example: virtscope.example.org")
    if host in _LOOPBACK:
        return tuple(dict.fromkeys((*given, *_LOOPBACK)))
    known = [*given, socket.getfqdn(), socket.gethostname()]
    if host in ("", "0.0.0.0", "::"):
        known += [*own_addresses(), *_LOOPBACK]
    else:
        known.append(host)
    return tuple(dict.fromkeys(known))


def own_addresses() -> list[str]:
    """The addresses with which this machine speaks to others; asking for a route sends nothing."""
    found = []
    for family, elsewhere in _ELSEWHERE:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((elsewhere, 9))
                found.append(probe.getsockname()[0])
        except OSError:
            log.debug("no way out for %s", family.name)
    return found
