"""A new key and the request to sign it, made in a process of its own.

cryptography takes 12 MB, a quarter of what the agent has; it is needed once in three weeks, for milliseconds.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field

from virtscope.errors import EnrolmentError

_SECONDS = 60
_END = "-----END PRIVATE KEY-----\n"


@dataclass(frozen=True, slots=True)
class KeyAndRequest:
    """Both as PEM."""

    key: str = field(repr=False)
    request: str

    @property
    def pem(self) -> str:
        """Both as one text."""
        return self.key + self.request


def new() -> KeyAndRequest:
    """A key that was never used, and its request.

    Raises:
        EnrolmentError: it could not be made.
    """
    command = [sys.executable, "-m", __name__]
    try:
        made = subprocess.run(command, capture_output=True, check=True, timeout=_SECONDS, text=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = str(getattr(error, "stderr", None) or error).strip().rpartition("\n")[2]
        raise EnrolmentError(
            f"cannot make a key: {said}", "Is the library cryptography installed? 'pip install virtscope' brings it."
        ) from None
    return parse(made.stdout)


def parse(pem: str) -> KeyAndRequest:
    """Key and request out of one text, as ``pem`` joins them."""
    key, end, request = pem.partition(_END)
    return KeyAndRequest(key + end, request)


def _made() -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    # Who asks is shown by a token or a certificate; the request says nothing of it.
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return (private + request.public_bytes(Encoding.PEM)).decode()


if __name__ == "__main__":
    sys.stdout.write(_made())
