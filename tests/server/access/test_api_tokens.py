"""API tokens: never more than their maker, shown once, revoked at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.access.serving import Clock, Served, serving
from virtscope.server.access.sessions import digest


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def served(tmp_path: Path, clock: Clock) -> Iterator[Served]:
    with serving(tmp_path, clock=clock) as running:
        yield running


def test_a_token_is_listed_without_its_text_and_revoked(served: Served) -> None:
    user = served.user("vera")
    made = user("POST", "/api/v1/tokens", {"name": "ci"}).json()
    assert made["token"].startswith("vst_")
    client = served.client(made["token"])
    assert client("GET", "/api/v1/hosts").status == 200
    [listed] = user("GET", "/api/v1/tokens").json()["tokens"]
    assert "token" not in listed
    assert listed["used"] is not None
    assert user("POST", "/api/v1/tokens", {"name": "ci"}).status == 409
    assert user("DELETE", f"/api/v1/tokens/{made['id']}").status == 204
    assert client("GET", "/api/v1/hosts").status == 401


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"role": "operator"}, 201),
        ({"role": "admin"}, 403),
        ({"role": "viewer", "projects": ["a"]}, 201),
        ({"role": "viewer", "projects": ["a", "c"]}, 403),
        ({"role": "viewer", "name": "  "}, 422),
        ({"role": "viewer", "name": "a\nb"}, 422),
        ({"role": "viewer", "expires": 1}, 422),
    ],
)
def test_no_token_has_more_rights_than_its_maker(served: Served, wanted: dict[str, object], status: int) -> None:
    user = served.user("otto", "operator", ["a", "b"])
    answer = user("POST", "/api/v1/tokens", {"name": "x"} | wanted)
    assert answer.status == status
    if status == 201:
        assert set(answer.json()["projects"]) <= {"a", "b"}


def test_an_admin_is_not_limited_to_projects(served: Served) -> None:
    admin = served.admin()
    assert admin("POST", "/api/v1/tokens", {"name": "x", "role": "admin", "projects": ["a"]}).status == 422
    made = admin("POST", "/api/v1/tokens", {"name": "x", "role": "admin"}).json()["token"]
    with served.access.tokens._registry.write() as connection:  # as one could be made once
        connection.execute("UPDATE api_tokens SET projects = '[\"a\"]' WHERE hash = ?", (digest(made),))
    client = served.client(made)
    assert client("GET", "/api/v1/session").json()["role"] == "operator"
    assert client("GET", "/api/v1/users").status == 403


@pytest.mark.parametrize("shown", ["session", "token"])
def test_a_disk_that_is_full_keeps_nobody_out(served: Served, clock: Clock, shown: str) -> None:
    client = served.user("vera")
    if shown == "token":
        client = served.client(client("POST", "/api/v1/tokens", {"name": "ci"}).json()["token"])
        assert client("GET", "/api/v1/hosts").status == 200
    clock.now += 120  # when it was used last is to be written down anew
    served.access.tokens._registry._connection.execute("PRAGMA query_only = ON")
    assert client("GET", "/api/v1/hosts").status == 200
    served.access.tokens._registry._connection.execute("PRAGMA query_only = OFF")


def test_rights_that_a_user_loses_his_tokens_lose(served: Served) -> None:
    user, admin = served.user("otto", "operator"), served.admin()
    token = user("POST", "/api/v1/tokens", {"name": "x", "role": "operator"}).json()["token"]
    admin("PATCH", "/api/v1/users/otto", {"role": "viewer", "projects": ["a"]})
    session = served.client(token)("GET", "/api/v1/session").json()
    assert (session["role"], session["projects"]) == ("viewer", ["a"])
    admin("DELETE", "/api/v1/users/otto")
    assert served.client(token)("GET", "/api/v1/hosts").status == 401


def test_a_token_expires(served: Served, clock: Clock) -> None:
    token = served.admin()("POST", "/api/v1/tokens", {"name": "x", "expires": clock.now + 60}).json()["token"]
    assert served.client(token)("GET", "/api/v1/hosts").status == 200
    clock.now += 61
    assert served.client(token)("GET", "/api/v1/hosts").status == 401


def test_a_token_makes_no_token_that_outlasts_it(served: Served, clock: Clock) -> None:
    admin = served.admin()
    new = {"name": "short", "role": "admin", "expires": clock.now + 60}
    short = served.client(admin("POST", "/api/v1/tokens", new).json()["token"])
    assert short("POST", "/api/v1/tokens", {"name": "for ever"}).status == 403
    assert short("POST", "/api/v1/tokens", {"name": "longer", "expires": clock.now + 61}).status == 403
    assert short("POST", "/api/v1/tokens", {"name": "shorter", "expires": clock.now + 59}).status == 201


def test_everybody_sees_his_own_and_an_admin_all(served: Served) -> None:
    vera, otto, admin = served.user("vera"), served.user("otto", "operator"), served.admin()
    first = vera("POST", "/api/v1/tokens", {"name": "a"}).json()
    second = otto("POST", "/api/v1/tokens", {"name": "b", "role": "operator"}).json()
    assert [one["name"] for one in vera("GET", "/api/v1/tokens").json()["tokens"]] == ["a"]
    assert {one["name"] for one in admin("GET", "/api/v1/tokens").json()["tokens"]} == {"a", "b"}
    assert vera("DELETE", f"/api/v1/tokens/{second['id']}").status == 404
    # A viewer's token of an operator does not reach the operator's others.
    weak = served.client(otto("POST", "/api/v1/tokens", {"name": "weak"}).json()["token"])
    assert [one["name"] for one in weak("GET", "/api/v1/tokens").json()["tokens"]] == ["weak"]
    assert weak("DELETE", f"/api/v1/tokens/{second['id']}").status == 404
    assert admin("DELETE", f"/api/v1/tokens/{first['id']}").status == 204
