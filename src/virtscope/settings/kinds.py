"""What a setting's value may be: text and TOML in, a checked value out, and the text that would give it again.

What cannot be read is told as the rest of a sentence that begins with the setting: "… is no whole number".
"""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Unreadable(ValueError):
    """No value of that kind, and why."""


class Kind(Protocol[T_co]):
    """A type of value, with its bounds."""

    @property
    def metavar(self) -> str:
        """What stands for a value in help texts."""

    @property
    def bounds(self) -> str:
        """What is allowed, in words; empty where everything is."""

    def read(self, raw: object) -> T_co:
        """The value of what was written: text, or what TOML has for it.

        Raises:
            ValueError: it is none.
        """

    def show(self, value: Any) -> str:
        """The text that reads as this value."""


def _text(raw: object) -> str:
    if not isinstance(raw, str):
        raise Unreadable("is no text: put it in quotes")
    if not raw.isprintable():
        raise Unreadable("has characters that cannot be printed")
    return raw.strip()


def _within(value: T, least: Any, most: Any, show: Any) -> T:
    if value < least:
        raise Unreadable(f"is less than {show(least)}")
    if value > most:
        raise Unreadable(f"is more than {show(most)}")
    return value


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; may be empty."""

    metavar: str = "TEXT"
    bounds: str = ""

    def read(self, raw: object) -> str:
        """The text, without space around it."""
        return _text(raw)

    def show(self, value: str) -> str:
        """The text itself."""
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    @property
    def metavar(self) -> str:
        """The words."""
        return "|".join(self.words)

    @property
    def bounds(self) -> str:
        """The words."""
        return f"one of {', '.join(self.words)}"

    def read(self, raw: object) -> str:
        """The word."""
        word = _text(raw)
        if word not in self.words:
            raise Unreadable(f"is unknown: it is {self.bounds}")
        return word

    def show(self, value: str) -> str:
        """The word itself."""
        return value


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number."""

    least: int
    most: int
    metavar: ClassVar[str] = "N"

    @property
    def bounds(self) -> str:
        """From where to where."""
        return f"{self.least} to {self.most}"

    def read(self, raw: object) -> int:
        """The number, in decimal digits."""
        if isinstance(raw, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", raw, re.ASCII):
            raw = int(raw)
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise Unreadable("is no whole number")
        return _within(raw, self.least, self.most, self.show)

    def show(self, value: int) -> str:
        """Decimal digits."""
        return str(value)


@dataclass(frozen=True, slots=True)
class Number:
    """A number, which may have decimals."""

    least: float
    most: float
    unit: str = ""
    """In words, for people: ``of the time``, ``bytes/s``."""
    metavar: ClassVar[str] = "NUMBER"

    @property
    def bounds(self) -> str:
        """From where to where."""
        return f"{self.show(self.least)} to {self.show(self.most)} {self.unit}".rstrip()

    def read(self, raw: object) -> float:
        """The number, in decimal digits."""
        if isinstance(raw, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,18}(\.[0-9]{1,18})?\s*", raw, re.ASCII):
            raw = float(raw)
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
            raise Unreadable("is no number")
        return _within(float(raw), self.least, self.most, self.show)

    def show(self, value: float) -> str:
        """Decimal digits, as few as tell it."""
        return f"{value:.15f}".rstrip("0").removesuffix(".")


_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    metavar: ClassVar[str] = "true|false"
    bounds: ClassVar[str] = "true or false"

    def read(self, raw: object) -> bool:
        """Whether it is on."""
        if isinstance(raw, bool):
            return raw
        word = raw.strip().lower() if isinstance(raw, str) else ""
        if word not in _YES + _NO:
            raise Unreadable("is neither true nor false")
        return word in _YES

    def show(self, value: bool) -> str:
        """As TOML has it."""
        return "true" if value else "false"


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder."""

    metavar: str = "FILE"
    bounds: str = ""

    def read(self, raw: object) -> Path:
        """The path as it is: nothing is put in the place of ``~`` or ``$``."""
        text = _text(raw)
        if not text:
            raise Unreadable("is empty: leave the setting out instead")
        if text.startswith("~"):
            raise Unreadable("begins with '~': write the whole path")
        return Path(text)

    def show(self, value: Path) -> str:
        """The path."""
        return str(value)


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that holds a secret: the secret itself is never a setting, and what looks like one is not repeated."""

    metavar: ClassVar[str] = "FILE"
    bounds: ClassVar[str] = "the absolute path of a file"

    def read(self, raw: object) -> Path:
        """The path, which must be absolute."""
        if not isinstance(raw, str) or not raw.startswith("/") or not raw.isprintable():
            raise Unreadable("is no absolute path (the value is not shown here): put the secret in a file and name it")
        return Path(raw)

    def show(self, value: Path) -> str:
        """The path."""
        return str(value)


_UNIT_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h|d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Duration:
    """A time span: a number of seconds, or with a unit (``500ms``, ``15m``, ``30d``). The value is in seconds."""

    least: float
    most: float
    metavar: ClassVar[str] = "DURATION"

    @property
    def bounds(self) -> str:
        """From where to where."""
        return f"{self.show(self.least)} to {self.show(self.most)}"

    def read(self, raw: object) -> float:
        """Seconds."""
        if isinstance(raw, str) and (parts := _DURATION.fullmatch(raw.strip())):
            raw = float(parts[1]) * _UNIT_SECONDS[parts[2] or "s"]
        if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
            raise Unreadable("is no time span: examples are 10, 500ms, 15m, 2h, 7d")
        return _within(round(float(raw), 6), self.least, self.most, self.show)

    def show(self, value: float) -> str:
        """With the largest unit that needs no fraction, to the microsecond."""
        for unit in ("d", "h", "m"):
            if value and value % _UNIT_SECONDS[unit] == 0:
                return f"{value / _UNIT_SECONDS[unit]:.0f}{unit}"
        return f"{value:.6f}".rstrip("0").removesuffix(".") + "s"


_UNIT_BYTES = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE = re.compile(r"([0-9]{1,15})\s*([KMGT])?(?:iB|B)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Size:
    """A number of bytes, or with a binary unit (``512M`` is 512 MiB)."""

    least: int
    most: int
    metavar: ClassVar[str] = "SIZE"

    @property
    def bounds(self) -> str:
        """From where to where."""
        return f"{self.show(self.least)} to {self.show(self.most)}"

    def read(self, raw: object) -> int:
        """Bytes."""
        if isinstance(raw, str) and (parts := _SIZE.fullmatch(raw.strip())):
            raw = int(parts[1]) * _UNIT_BYTES.get(parts[2], 1)
        if isinstance(raw, bool) or not isinstance(raw, int):
            raise Unreadable("is no size: examples are 64M, 2G, 268435456")
        return _within(raw, self.least, self.most, self.show)

    def show(self, value: int) -> str:
        """With the largest unit that needs no fraction."""
        for unit in ("T", "G", "M", "K"):
            if value and value % _UNIT_BYTES[unit] == 0:
                return f"{value // _UNIT_BYTES[unit]}{unit}"
        return str(value)


@dataclass(frozen=True, slots=True)
class Address:
    """Where something listens."""

    host: str
    """Empty is every address of the machine."""
    port: int
    """0 is any that is free."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_HOST = re.compile(r"[A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9_.-]+)?\]", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Listening:
    """An address and port to listen on; empty is not to listen at all."""

    anywhere: str = ""
    """The address that ``:PORT`` means."""
    metavar: ClassVar[str] = "ADDRESS:PORT"
    bounds: ClassVar[str] = "ADDRESS:PORT or [IPv6]:PORT"

    def read(self, raw: object) -> Address | None:
        """The two parts."""
        text = _text(raw)
        if not text:
            return None
        host, colon, port = text.rpartition(":")
        if not colon or not _PORT.fullmatch(port) or int(port) > 65_535 or not _HOST.fullmatch(host):
            raise Unreadable(f"is nothing to listen on: write {self.bounds}")
        return Address(host.strip("[]") or self.anywhere, int(port))

    def show(self, value: Address | None) -> str:
        """As it is written."""
        return "" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Url:
    """An https address without user, query or fragment; http is for this machine alone, unless it is ``plain``.

    Empty is none.
    """

    plain: bool = False
    metavar: ClassVar[str] = "URL"

    @property
    def bounds(self) -> str:
        """What it may be."""
        return f"http{'(s)' if self.plain else 's'}://HOST[:PORT][/PATH]"

    def read(self, raw: object) -> str:
        """The address, without a slash at its end."""
        text = _text(raw)
        if not text:
            return ""
        if "@" in text:
            raise Unreadable("has a user's name or password (the value is not shown here): leave it out")
        parts = urlsplit(text)  # its ValueErrors are sentences of their own
        port = parts.port
        if not parts.hostname or parts.query or parts.fragment or port == 0 or " " in text:
            raise Unreadable(f"is no address: write {self.bounds}")
        if not self.allows(text):
            either = "http:// or https://" if self.plain else "https:// (plain http is for this machine alone)"
            raise Unreadable(f"does not begin with {either}")
        return text.rstrip("/")

    def allows(self, address: str) -> bool:
        """Whether what is sent there may be sent so."""
        parts = urlsplit(address)
        return parts.scheme == "https" or (
            parts.scheme == "http" and (self.plain or _is_loopback(parts.hostname or ""))
        )

    def show(self, value: str) -> str:
        """The address."""
        return value


@dataclass(frozen=True, slots=True)
class Network:
    """A network, as ``10.0.0.0/8`` or ``fd00::/8``; an address alone is a network of one."""

    metavar: ClassVar[str] = "NETWORK"
    bounds: ClassVar[str] = "an address or a network, as 10.0.0.0/8"

    def read(self, raw: object) -> str:
        """The network in its usual form."""
        try:
            return str(ipaddress.ip_network(_text(raw)))
        except ValueError as error:
            raise Unreadable(f"is no network: {error}") from None

    def show(self, value: str) -> str:
        """The network."""
        return value


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """Several values: an option that is repeated, an array in TOML, separated by spaces in the environment."""

    of: Kind[T]

    @property
    def metavar(self) -> str:
        """What stands for one of them."""
        return self.of.metavar

    @property
    def bounds(self) -> str:
        """What each may be."""
        return f"a list, each {self.of.bounds}" if self.of.bounds else "a list"

    def read(self, raw: object) -> tuple[T, ...]:
        """All of them; an error tells which."""
        if isinstance(raw, str):
            raw = raw.split()
        if not isinstance(raw, list | tuple):
            raise Unreadable("is no list")
        return tuple(self._one(item) for item in raw)

    def _one(self, item: object) -> T:
        try:
            return self.of.read(item)
        except ValueError as error:
            raise Unreadable(f"has {item!r}, which {error}") from None

    def show(self, value: tuple[T, ...]) -> str:
        """Separated by spaces."""
        return " ".join(self.of.show(item) for item in value)
