"""The authority that agents' certificates come from: the server's own, made at its first start, or the operator's."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from virtscope import private_file
from virtscope.errors import StoreError

log = logging.getLogger(__name__)

BACKDATED = 900
"""Seconds before now from which a certificate is valid: clocks of hosts are never quite right."""
_OWN_YEARS = 10
_SERVER_DAYS = 90
_WARNED_BEFORE = timedelta(days=365)
AGENT_URN = "urn:virtscope:agent:"

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Anchor:
    """Whom agents trust: the certificate that a server's must come from."""

    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the certificate (DER)."""
        return self.certificate.fingerprint(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate that may sign others, with its key."""

    anchor: Anchor
    key: SigningKey
    clock: Callable[[], float] = time.time

    @classmethod
    def own(cls, folder: Path, clock: Callable[[], float] = time.time) -> Authority:
        """The server's own, in its folder; it is made where there is none yet.

        Raises:
            StoreError: it cannot be read or made. A key that is lost is not
                replaced: that would lock every agent out.
        """
        certificate, key = folder / "ca.pem", folder / "ca.key"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not certificate.exists():
                # The key comes first: where there is a certificate, there is its key.
                made, made_key = _self_signed(clock())
                private_file.replace(key, private_pem(made_key))
                private_file.replace(certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)
        except OSError as error:
            raise StoreError(f"cannot make {certificate}: {error.strerror}", "Is the data folder writable?") from None
        return cls.given(certificate, key, clock)

    @classmethod
    def given(cls, certificate: Path, key: Path, clock: Callable[[], float] = time.time) -> Authority:
        """The operator's: files of a certificate and its key, as PEM without a passphrase.

        Raises:
            StoreError: they cannot be read, do not belong together, or may not sign.
        """
        found = certificates_of(certificate)[0]
        held = _private_key(key)
        if held.public_key() != found.public_key():
            raise StoreError(f"{key} is not the key of {certificate}", "Give the two that belong together.")
        _may_sign(certificate, found, clock())
        return cls(Anchor(found), held, clock)

    def agent_certificate(self, key: ec.EllipticCurvePublicKey, agent: str, seconds: float) -> x509.Certificate:
        """A certificate with which an agent shows who it is; it is good for nothing else."""
        name = f"{AGENT_URN}{agent}"
        return self._issue(
            key,
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
            [x509.UniformResourceIdentifier(name)],
            ExtendedKeyUsageOID.CLIENT_AUTH,
            seconds,
        )

    def server_certificate(self, key: ec.EllipticCurvePublicKey, names: Sequence[str]) -> x509.Certificate:
        """A certificate for a server of these names and addresses."""
        return self._issue(
            key, x509.Name([]), alternative_names(names), ExtendedKeyUsageOID.SERVER_AUTH, _SERVER_DAYS * 86_400
        )

    def _issue(
        self,
        key: ec.EllipticCurvePublicKey,
        subject: x509.Name,
        names: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        seconds: float,
    ) -> x509.Certificate:
        now = self.clock()
        issuer = self.anchor.certificate
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_time(now - BACKDATED))
            .not_valid_after(min(_time(now + seconds), issuer.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            # An empty subject makes the names critical (RFC 5280, 4.2.1.6).
            .add_extension(x509.SubjectAlternativeName(names), critical=not list(subject))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(_authority_identifier(issuer), critical=False)
            .sign(self.key, _hash_for(self.key))
        )


def alternative_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Names and addresses as a certificate has them."""
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def certificates_of(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file.

    Raises:
        StoreError: it cannot be read, or holds none.
    """
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}", "Check the path and its owner.") from None
    except ValueError:
        raise StoreError(
            f"{path} holds no certificate", "It should be PEM, as '-----BEGIN CERTIFICATE-----'."
        ) from None


def private_pem(key: SigningKey) -> bytes:
    """A key as it is kept."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _private_key(path: Path) -> SigningKey:
    hint = "It should be PEM without a passphrase: EC, RSA or Ed25519. Restore it from a backup where it is lost."
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}", hint) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise StoreError(f"{path} holds no key that can be used", hint) from None
    if not isinstance(key, SigningKey):
        raise StoreError(f"{path} holds no key that can be used", hint)
    return key


def _may_sign(path: Path, certificate: x509.Certificate, now: float) -> None:
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        constraints = None
    if constraints is None or not constraints.ca:
        raise StoreError(f"{path} is no authority's certificate", "Its basic constraints should say CA:TRUE.")
    if certificate.not_valid_after_utc <= _time(now):
        ended = certificate.not_valid_after_utc.date()
        raise StoreError(f"{path} has expired on {ended}", "Give one that is valid; agents must be enrolled again.")
    if certificate.not_valid_after_utc <= _time(now) + _WARNED_BEFORE:
        log.warning(
            "%s expires on %s; agents must be enrolled again then", path, certificate.not_valid_after_utc.date()
        )


def _self_signed(now: float) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"virtscope authority {secrets.token_hex(4)}")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_time(now - BACKDATED))
        .not_valid_after(_time(now) + timedelta(days=365.25 * _OWN_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate, key


def _key_usage(*, signs: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _authority_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    try:
        known = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:
        key = issuer.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey):
            raise TypeError(type(key)) from None  # its private key was one of ours
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(key)
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known)


def _hash_for(key: SigningKey) -> hashes.SHA256 | None:
    """Ed25519 has a hash of its own."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(int(at), UTC)
