"""Signing requests of hosts: of what they say, only the key counts."""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from virtscope.errors import BadInput

LARGEST = 8_192
"""Characters."""
_CURVES = (ec.SECP256R1, ec.SECP384R1)


def key_of(pem: str) -> ec.EllipticCurvePublicKey:
    """The key of a request (PKCS #10, PEM), whose sender has shown that he holds the private one.

    Raises:
        BadInput: it is no request, its signature is wrong, or its key is not of a kind that is taken.
    """
    hint = "'virtscope enrol' makes a proper one; another program may send an EC key on P-256 or P-384."
    if len(pem) > LARGEST:
        raise BadInput("the signing request is too long", hint)
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        key = request.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
            raise BadInput("the signing request's key is not of a kind that is taken", hint)
        if not request.is_signature_valid:
            raise BadInput("the signing request's signature is wrong", hint)
    except (ValueError, UnsupportedAlgorithm, InvalidSignature):
        raise BadInput("the signing request cannot be read", hint) from None
    return key
