"""XML as libvirt gives it, read with care: tenants wrote parts of it.

Entities are refused, and so is a document that is larger than any libvirt writes. Whoever calls turns a refusal into a
``problem`` of that one object.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

LARGEST = 4 * 1024 * 1024
"""Characters: libvirt itself refuses messages not much larger."""

_UNITS = {"b": 1, "bytes": 1, "k": 1024, "kb": 1000, "kib": 1024, "m": 1024**2, "mb": 1000**2, "mib": 1024**2,
          "g": 1024**3, "gb": 1000**3, "gib": 1024**3, "t": 1024**4, "tb": 1000**4, "tib": 1024**4}  # fmt: skip


class Unreadable(Exception):
    """Why a document cannot be read, as a sentence."""


def read(xml: str) -> Element:
    """The root of a document.

    Raises:
        Unreadable: it is not well formed, bears entities, or is too large.
    """
    if len(xml) > LARGEST:
        raise Unreadable(f"its XML has {len(xml):,} characters, {LARGEST:,} are the most that is read")
    try:
        root: Element = fromstring(xml)
    except DefusedXmlException:
        raise Unreadable("its XML cannot be read: it declares entities or refers to a document type") from None
    except (ParseError, ValueError) as error:
        raise Unreadable(f"its XML cannot be read: {error}") from None
    return root


def attribute(parent: Element | None, child: str, name: str) -> str | None:
    """An attribute of a child; None where either is missing."""
    found = parent.find(child) if parent is not None else None
    return found.get(name) if found is not None else None


def whole(text: str | None) -> int | None:
    """A whole number; None where that is none."""
    stripped = (text or "").strip()
    return int(stripped) if stripped.isascii() and stripped.isdigit() and len(stripped) < 19 else None


def amount(element: Element | None) -> int | None:
    """Bytes, out of an element such as ``<memory unit='KiB'>``; KiB where it names no unit."""
    if element is None:
        return None
    number, unit = whole(element.text), _UNITS.get(element.get("unit", "KiB").lower())
    return None if number is None or unit is None else number * unit


def numbers(parent: Element | None) -> Iterator[tuple[str, int]]:
    """The children that hold a whole number, by their names."""
    for child in parent if parent is not None else ():
        if (value := whole(child.text)) is not None:
            yield child.tag, value
