"""Passwords: slow once, fast from then on, and nothing kept that would open a door elsewhere."""

from __future__ import annotations

import base64
from typing import Any

import bcrypt
import pytest

from virtscope.exposition import credentials
from virtscope.exposition.credentials import Credentials

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The hashes that bcrypt was asked about."""
    asked: list[bytes] = []

    def counted(password: bytes, hashed: bytes, check: Any = bcrypt.checkpw) -> bool:
        asked.append(hashed)
        return bool(check(password, hashed))

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    return asked


def test_right_credentials_are_slow_once(checks: list[bytes]) -> None:
    door = Credentials({"prometheus": HASH})
    assert all(door.allow(basic("prometheus", "secret")) for _ in range(5))
    assert len(checks) == 1
    assert not door.allow(basic("prometheus", "secret2"))
    assert len(checks) == 2


def test_an_unknown_user_costs_what_a_known_one_does(checks: list[bytes]) -> None:
    door = Credentials({"prometheus": HASH})
    assert not door.allow(basic("nobody", "secret"))
    assert not door.allow(basic("nobody", "secret")), "what was wrong is not remembered"
    assert [hashed[4:6] for hashed in checks] == [b"04", b"04"]


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !",
        "Basic " + base64.b64encode(b"prometheus").decode(),
        "Bearer secret",
        "Basic \udcff",
    ],
)
def test_what_is_no_basic_auth(header: str | None) -> None:
    assert not Credentials({"prometheus": HASH}).allow(header)


def test_a_password_is_compared_whole() -> None:
    """By itself, bcrypt looks at 72 bytes and stops at a NUL."""
    long = Credentials({"p": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()})
    assert long.allow(basic("p", "x" * 72))
    assert not long.allow(basic("p", "x" * 73))
    assert not Credentials({"p": HASH}).allow(basic("p", "secret\0more"))


def test_the_cache_is_bounded_and_keeps_no_password() -> None:
    users = {f"u{number}": HASH for number in range(credentials._REMEMBERED + 5)}
    door = Credentials(users)
    assert all(door.allow(basic(user, "secret")) for user in users)
    assert len(door._good) <= credentials._REMEMBERED
    assert not any(b"secret" in token for token in door._good)


def test_a_colon_may_be_in_a_password() -> None:
    door = Credentials({"p": bcrypt.hashpw(b"a:b", bcrypt.gensalt(4)).decode()})
    assert door.allow(basic("p", "a:b"))
