"""The libvirt library: loaded, its event loop, its errors as ours. The only file that imports it."""

from __future__ import annotations

import threading
from typing import Any

from virtscope.agent.uri import ConnectionUri
from virtscope.errors import HypervisorError, Unreachable

try:
    import libvirt
except ImportError as missing:
    raise HypervisorError(
        f"the libvirt library cannot be loaded: {missing}",
        "Install libvirt's client library (Debian and Ubuntu: libvirt0), then libvirt-python.",
    ) from None

__all__ = ["library_version", "libvirt", "start_event_loop", "translated", "unreachable", "version"]


def library_version() -> str:
    """The version of the libvirt library in this process."""
    return version(libvirt.getVersion())


class translated:  # noqa: N801  # reads as a word in ``with translated(uri):``
    """Turns libvirt's errors into ours."""

    def __init__(self, uri: ConnectionUri) -> None:
        self._uri = uri

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, libvirt.libvirtError):
            raise HypervisorError(f"{self._uri.text}: {error.get_error_message()}") from None


_KEY_HINT = "Name the right key with keyfile= in the URI, and have it in authorized_keys on the host."
# The first that fits is told: a refused SSH key is "Permission denied", too.
_HINTS = {
    "publickey": _KEY_HINT,
    "PublicKey": _KEY_HINT,  # in the words of libssh2
    "Host key verification failed": "Connect once with ssh, as the same user, and accept the host's key.",
    "verify the session host key": "Add the host's key (ssh-keyscan) to the file that known_hosts= in the URI names.",
    "Cannot read CA certificate": "Put cacert.pem, clientcert.pem and clientkey.pem where pkipath= in the URI says.",
    "Our own certificate": "Have the authority of cacert.pem be the one that signed clientcert.pem.",
    "verify peer's certificate": "Have the authority of cacert.pem be the one that signed the host's certificate.",
    "TLS confirmation": "The host does not accept clientcert.pem: is it signed by the host's authority, and not over?",
    "No such file or directory": "Is libvirtd running there? 'systemctl status libvirtd' tells.",
    "Permission denied": "Add the user to the group 'libvirt', or run as one who may read libvirt's socket.",
    "Connection refused": "Is libvirtd running and listening there?",
    "authentication": "Add the user to the group 'libvirt', or give this URI credentials that the host accepts.",
    "Could not resolve": "Check the host's name.",
    "Name or service not known": "Check the host's name.",
}


def unreachable(uri: ConnectionUri, error: Any) -> Unreachable:
    """Why there is no connection, and what may help."""
    message = error.get_error_message() or str(error)
    hint = next((hint for words, hint in _HINTS.items() if words in message), "'virtscope doctor' looks closer.")
    return Unreachable(f"cannot connect to {uri.text}: {message}", hint)


def version(number: int) -> str:
    """A version as libvirt packs it, as people write it."""
    return f"{number // 1_000_000}.{number // 1_000 % 1_000}.{number % 1_000}"


_event_loop = threading.Lock()
_event_loop_runs = False


def start_event_loop() -> None:
    """Start libvirt's event loop once in the process: events and keep-alive need it before the first connection."""
    global _event_loop_runs  # noqa: PLW0603  # libvirt's loop is one for the process
    with _event_loop:
        if _event_loop_runs:
            return
        libvirt.registerErrorHandler(lambda _context, _error: None, None)  # errors are raised: none is printed too
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run_event_loop, name="libvirt events", daemon=True).start()
        _event_loop_runs = True


def _run_event_loop() -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
