"""Where a request comes from: by which name the server was asked, and from which site. Pure checks.

A name that is not the server's own means DNS rebinding: another site's name that leads here. A browser says from which
site a request comes (``Origin``, ``Sec-Fetch-Site``); what another site sends in somebody's name is refused.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from virtscope.server.access.settings import LOOPBACK

EVERY_ADDRESS = "*"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def names_of(listens: Iterable[str], names: Iterable[str] = ()) -> frozenset[str]:
    """The names that a server answers to: the addresses it listens on, and those given.

    One that listens on every address can be asked by any of them: no name of another site is an address.
    """
    found = {name.strip("[]").rstrip(".").lower() for name in names}
    for address in listens:
        bare = address.strip("[]").lower()
        if bare in ("", "0.0.0.0", "::"):
            found |= {EVERY_ADDRESS, *LOOPBACK}
        elif bare in LOOPBACK or _is_loopback(bare):
            found |= {bare, *LOOPBACK}
        else:
            found.add(bare)
    return frozenset(found)


def is_ours(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header names this server."""
    bare = hostname(host)
    if bare is None:
        return False
    return bare in names or (EVERY_ADDRESS in names and _is_address(bare))


def is_welcome(method: str, path: str, scheme: str, headers: Mapping[str, str]) -> bool:
    """Whether a request may come from where it comes from: our own page, a program, or somebody's click on a link."""
    site = headers.get("sec-fetch-site")
    if site not in (None, "same-origin", "none"):
        # Following a link from elsewhere is how people come to a page; its answer is not that site's to read.
        return method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    safe = method in SAFE_METHODS
    if safe and path != "/api/v1/live":
        return True
    origin = headers.get("origin")
    if origin is None:
        # Browsers name the site of whatever changes something. Without it, a cookie is not worth anything.
        return safe or site is not None or "cookie" not in headers
    return origin.lower() == f"{scheme}://{headers.get('host', '').lower()}"


def local_path(wanted: str | None) -> str:
    """A path of our own page to go on to; anything that leads elsewhere becomes the page itself."""
    if not wanted or not wanted.startswith("/") or wanted[1:2] in ("/", "\\") or not wanted.isprintable():
        return "/"
    parts = urlsplit(wanted)
    return "/" if parts.scheme or parts.netloc or "\\" in wanted or len(wanted) > 2_000 else wanted


def hostname(host: str) -> str | None:
    """The name or address in a Host header, without its port; None where it is none."""
    try:
        parts = urlsplit(f"//{host}")
        _port = parts.port
    except ValueError:
        return None
    if parts.path or parts.query or parts.fragment or "@" in host:
        return None
    return (parts.hostname or "").rstrip(".").lower() or None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_loopback(text: str) -> bool:
    return _is_address(text) and ipaddress.ip_address(text).is_loopback
