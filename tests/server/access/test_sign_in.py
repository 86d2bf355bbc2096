"""Signing in and out: the first admin, passwords, sessions and their ends."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Iterator
from http.cookies import SimpleCookie
from pathlib import Path

import pytest
import urllib3

from tests.running import running
from tests.server.access.serving import ADMIN, PASSWORD, Client, Clock, Served, serving
from virtscope.server.access import passwords
from virtscope.server.access.passwords import MEMORY_KIB, PASSES, Passwords


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def served(tmp_path: Path, clock: Clock) -> Iterator[Served]:
    with serving(tmp_path, clock=clock) as running:
        yield running


def who(client: Client) -> str | None:
    found: str | None = client("GET", "/api/v1/session").json()["user"]
    return found


def test_the_first_admin_is_made_once_with_the_secret(served: Served) -> None:
    client, file = served.client(), served.folder / "bootstrap-secret"
    asked = client("GET", "/api/v1/session").json()
    assert (asked["user"], asked["login"], asked["bootstrap"]) == (None, True, True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = {"secret": file.read_text().strip(), "name": "ana", "password": PASSWORD}
    assert client("POST", "/api/v1/bootstrap", first | {"secret": "guessed"}).status == 403
    assert client("POST", "/api/v1/bootstrap", first | {"password": "short"}).status == 422
    assert client("POST", "/api/v1/bootstrap", first).json()["role"] == "admin"
    assert who(client) == "ana"
    assert not file.exists()
    again = served.client()("POST", "/api/v1/bootstrap", first | {"name": "eve"})
    assert again.status == 403
    assert client("GET", "/api/v1/session").json()["bootstrap"] is False


def test_there_is_no_default_password(served: Served) -> None:
    for name in ("admin", "root", "owner", "everybody", ""):
        for password in ("", "admin", "password", "virtscope"):
            answer = served.client().sign_in(name, password)
            assert answer.status in (401, 429), name


def test_a_session_begins_anew_and_ends_on_the_server(served: Served) -> None:
    client = served.admin()
    [first] = client.cookies.values()
    assert client.sign_in().status == 200
    [second] = client.cookies.values()
    assert first != second
    old = Client(served.address, cookies={"virtscope": first})
    assert who(old) is None
    stolen = Client(served.address, cookies={"virtscope": second})
    assert who(stolen) == ADMIN
    assert client("DELETE", "/api/v1/session").status == 204
    assert client.cookies == {}
    assert who(stolen) is None
    assert stolen("GET", "/api/v1/hosts").status == 401
    old.clear()
    stolen.clear()


def test_a_session_chosen_by_somebody_else_is_not_taken_over(served: Served) -> None:
    served.admin()
    client = Client(served.address, cookies={"virtscope": "fixed-by-an-attacker"})
    assert client.sign_in().status == 200
    assert client.cookies["virtscope"] != "fixed-by-an-attacker"
    client.clear()


@pytest.mark.parametrize("tls", [False, True])
def test_the_cookie_is_for_this_site_and_no_script(tmp_path: Path, tls: bool) -> None:
    with serving(tmp_path, tls=tls) as served:
        served.admin()
        [line] = served.client().sign_in().headers.getlist("set-cookie")
    [(name, morsel)] = SimpleCookie(line).items()
    assert name == ("__Host-virtscope" if tls else "virtscope")
    assert bool(morsel["secure"]) is tls
    assert (morsel["httponly"], morsel["samesite"], morsel["path"], morsel["domain"]) == (True, "strict", "/", "")


def test_the_registry_has_no_token_and_no_password(served: Served) -> None:
    client = served.admin()
    token = client("POST", "/api/v1/tokens", {"name": "ci"}).json()["token"]
    kept = b"".join(path.read_bytes() for path in served.folder.glob("access.sqlite*"))
    assert b"$argon2id$" in kept
    for secret in (PASSWORD, *client.cookies.values(), token):
        assert secret.encode() not in kept


def test_a_session_ends_when_it_is_not_used_and_in_any_case_after_a_week(served: Served, clock: Clock) -> None:
    client = served.admin()
    for _ in range(13):
        clock.now += 11.9 * 3600
        assert who(client) == ADMIN
    clock.now += 14 * 3600
    assert who(client) is None
    assert client.sign_in().status == 200
    clock.now += 12.1 * 3600
    assert who(client) is None
    assert client.sign_in().status == 200
    for _ in range(14):
        clock.now += 12 * 3600 - 1
        last = who(client)
    assert last == ADMIN
    clock.now += 3600
    assert who(client) is None


@pytest.mark.parametrize(
    "change", [{"password": "another good password"}, {"role": "operator"}, {"projects": ["p"]}, None]
)
def test_whoever_is_changed_has_to_sign_in_again(served: Served, change: dict[str, object] | None) -> None:
    user, admin = served.user("vera"), served.admin()
    assert who(user) == "vera"
    answer = admin("PATCH", "/api/v1/users/vera", change) if change else admin("DELETE", "/api/v1/users/vera")
    assert answer.status in (200, 204)
    assert who(user) is None
    assert user.sign_in("vera").status == (200 if change and "password" not in change else 401)


def test_a_live_stream_ends_with_its_session(served: Served) -> None:
    user = served.user("vera")
    stream = user.stream("/api/v1/live")
    parts = stream.stream(amt=None)
    assert b"retry" in next(parts)
    user("DELETE", "/api/v1/session")
    served.services.live.tell(1.0, 2, [])  # type: ignore[attr-defined]
    assert list(parts) == []


def test_ones_own_password_is_changed_with_the_old_one(served: Served) -> None:
    user, other = served.user("vera"), served.client()
    other.sign_in("vera")
    new = {"current": PASSWORD, "new": "another good password"}
    assert user("PUT", "/api/v1/session/password", new | {"current": "wrong"}).status == 401
    assert user("PUT", "/api/v1/session/password", new).status == 200
    assert (who(user), who(other)) == ("vera", None)
    assert other.sign_in("vera").status == 401
    assert other.sign_in("vera", new["new"]).status == 200


def test_the_last_admin_stays(served: Served) -> None:
    admin = served.admin()
    for answer in (
        admin("DELETE", f"/api/v1/users/{ADMIN}"),
        admin("PATCH", f"/api/v1/users/{ADMIN}", {"role": "viewer"}),
    ):
        assert answer.status == 422
        assert "last admin" in answer.json()["detail"]
    new = {"name": "bea", "password": PASSWORD, "role": "admin"}
    assert admin("POST", "/api/v1/users", new).status == 201
    assert admin("POST", "/api/v1/users", new).status == 409
    assert admin("POST", "/api/v1/users", new | {"name": "cleo", "projects": ["p"]}).status == 422
    assert admin("DELETE", f"/api/v1/users/{ADMIN}").status == 204


@pytest.mark.parametrize("name", ["", "Ana", "a b", "owner", "everybody", "ana@example.org", "../x", "x" * 65, "a\n"])
def test_a_name_that_cannot_be(served: Served, name: str) -> None:
    answer = served.admin()("POST", "/api/v1/users", {"name": name, "password": PASSWORD, "role": "viewer"})
    assert answer.status == 422


def test_guessing_is_slowed_down_and_says_for_how_long(served: Served) -> None:
    served.admin()
    attacker = served.client()
    answers = [attacker.sign_in(ADMIN, f"guess number {number}") for number in range(6)]
    assert [answer.status for answer in answers] == [401] * 5 + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].json()["hint"].startswith("Try again in")
    # Whoever has guessed right learns nothing of it either.
    assert attacker.sign_in().status == 429


def test_a_name_that_nobody_has_is_told_from_none_by_nothing(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = served.admin()
    hashed: list[str] = []
    verify = Passwords._verify

    def counting(self: Passwords, against: str, password: str) -> bool:
        hashed.append(against)
        return verify(self, against, password)

    monkeypatch.setattr(Passwords, "_verify", counting)
    known, unknown = (served.client().sign_in(name, "not the password") for name in (ADMIN, "nobody"))
    assert (known.status, known.data) == (unknown.status, unknown.data)
    assert len(hashed) == 2
    costs = {against.rpartition("$")[0].rpartition("$")[0] for against in hashed}
    assert len(costs) == 1
    assert admin("GET", "/api/v1/users").status == 200


def test_what_a_hash_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much as RFC 9106 wants, where it is not cheap for the tests' sake."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", MEMORY_KIB)
    monkeypatch.setattr(passwords, "PASSES", PASSES)
    made = Passwords()
    try:
        assert asyncio.run(made.hash(PASSWORD)).startswith("$argon2id$v=19$m=65536,t=3,p=1$")
    finally:
        made.close()


def test_behind_a_proxy_people_are_told_apart(tmp_path: Path) -> None:
    name = "virtscope.example.org"
    behind = ("--names", name, "--trusted-proxies", "127.0.0.1", "--agents-listen", "")
    with running(tmp_path, *behind, program="server") as server:
        asked = urllib3.PoolManager(retries=False)

        def sign_in(origin: str) -> urllib3.BaseHTTPResponse:
            headers = {
                "Host": name, "Origin": origin, "Sec-Fetch-Site": "same-origin", "X-Forwarded-Proto": "https",
                "X-Forwarded-For": "198.51.100.9, 203.0.113.7",
            }  # fmt: skip
            body = {"name": "nobody", "password": "a wrong password"}
            return asked.request("POST", f"{server.address}/api/v1/session", json=body, headers=headers)

        assert sign_in(f"https://{name}").status == 401
        assert sign_in(f"http://{name}").status == 403
        assert server.request("/api/v1/hosts", Host=name).status == 401
        asked.clear()
        server.stop()
    # What the proxy has heard itself counts, and not what somebody has told it.
    assert any("a sign-in as 'nobody' from 203.0.113.7 failed" in line for line in server.output)
