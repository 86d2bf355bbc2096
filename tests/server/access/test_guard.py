"""The guard: by which name, from which site, with what proof. Attacks 15 and 16 of the list, and those beside them."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.server.access.serving import PASSWORD, Client, Served, serving
from virtscope.server.access import origin
from virtscope.server.access.settings import AccessSettings
from virtscope.server.app import description


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("guard")) as running:
        running.admin()
        yield running


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One that asks nobody to sign in."""
    with serving(tmp_path_factory.mktemp("open"), lambda _address: AccessSettings(login=False)) as running:
        yield running


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8420", "127.0.0.1.evil.example", "[::1", "a/b", "x@y"])
@pytest.mark.parametrize("path", ["/", "/api/v1/hosts", "/metrics", "/healthz", "/api/v1/live"])
def test_a_name_that_is_not_ours_is_refused(open_server: Served, served: Served, host: str, path: str) -> None:
    for running in (open_server, served):
        answer = running.client()("GET", path, Host=host)
        assert answer.status == 421
        assert b"canary" not in answer.data


def test_a_request_that_names_no_host_or_two(open_server: Served) -> None:
    address = open_server.address.removeprefix("http://").split(":")
    for hosts, status in ((b"", b"400"), (b"Host: localhost\r\nHost: evil.example\r\n", b"421")):
        with socket.create_connection((address[0], int(address[1]))) as connection:
            connection.sendall(b"GET /api/v1/hosts HTTP/1.0\r\n" + hosts + b"\r\n")
            assert connection.recv(100).split()[1] == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "https://evil.example", "Sec_Fetch_Site": ""},
        {"Origin": "null", "Sec_Fetch_Site": ""},
        {"Origin": "http://127.0.0.1:1", "Sec_Fetch_Site": "same-site"},
        {"Origin": "", "Sec_Fetch_Site": "cross-site"},
        {"Origin": "", "Sec_Fetch_Site": ""},
    ],
)
def test_another_site_can_do_nothing_in_somebodys_name(served: Served, headers: dict[str, str]) -> None:
    admin = served.admin()
    new = {"name": "eve", "password": PASSWORD, "role": "admin"}
    assert admin("POST", "/api/v1/users", new, **headers).status == 403
    assert admin("DELETE", "/api/v1/session", **headers).status == 403
    # A form of another site cannot send JSON, and what it sends is not taken for it.
    assert admin("POST", "/api/v1/users", new, Content_Type="text/plain", **headers).status == 403
    assert [user["name"] for user in admin("GET", "/api/v1/users").json()["users"]] == ["ana"]


@pytest.mark.parametrize("running", ["served", "open_server"])
def test_the_live_stream_is_for_our_own_page(running: str, request: pytest.FixtureRequest) -> None:
    here: Served = request.getfixturevalue(running)
    client = here.admin() if running == "served" else here.client()
    evil = {"Origin": "https://evil.example", "Sec_Fetch_Site": ""}
    assert client("GET", "/api/v1/live", **evil).status == 403
    assert client("GET", "/api/v1/live", Sec_Fetch_Site="cross-site").status == 403
    ours = client.stream("/api/v1/live")
    assert ours.status == 200
    ours.close()


def test_a_link_from_elsewhere_leads_to_the_page(served: Served) -> None:
    navigation = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Origin": ""}
    assert served.client()("GET", "/healthz", **navigation).status == 200
    assert served.client()("GET", "/healthz", **(navigation | {"Sec_Fetch_Mode": "no-cors"})).status == 403


def test_where_nobody_signs_in_nobody_is_told_of_people(open_server: Served) -> None:
    client = open_server.client()
    assert client("GET", "/api/v1/session").json()["login"] is False
    assert client("GET", "/api/v1/domains").status == 200
    for path, methods in description()["paths"].items():
        for method in methods:
            about = path.startswith(("/api/v1/users", "/api/v1/tokens", "/api/v1/bootstrap", "/api/v1/oidc"))
            if about or (path.startswith("/api/v1/session") and method != "get"):
                assert client(method.upper(), path.replace("{name}", "x").replace("{id}", "1"), {}).status == 403
    hint = open_server.client()("GET", "/api/v1/backup").json()["hint"]
    assert hint.endswith(f"--server unix:{open_server.socket}")


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_a_role_may_what_it_may(served: Served, role: str) -> None:
    admin = served.admin()
    token = admin("POST", "/api/v1/tokens", {"name": f"as-{role}", "role": role}).json()["token"]
    client = served.client(token)
    assert client("GET", "/api/v1/hosts").status == 200
    assert client("GET", "/metrics").status == 200
    allowed = role == "admin"
    assert client("GET", "/api/v1/users").status == (200 if allowed else 403)
    assert client("POST", "/api/v1/users", {}).status == (422 if allowed else 403)
    assert client("DELETE", "/api/v1/users/nobody").status == (404 if allowed else 403)
    assert client("POST", "/api/v1/something-new").status == (405 if allowed else 403)


@pytest.mark.parametrize("shown", ["Bearer vst_wrong", "Bearer ", "Basic YW5hOng=", "vst_wrong"])
def test_a_proof_that_is_none(served: Served, shown: str) -> None:
    client = served.client()
    client.headers["Authorization"] = shown
    assert client("GET", "/api/v1/hosts").status == 401
    # Not even beside a session: who shows something wrong is not taken for somebody else.
    signed_in = served.admin()
    assert signed_in("GET", "/api/v1/hosts", Authorization=shown).status == 401


def test_a_token_is_not_taken_from_an_address_or_a_cookie(served: Served) -> None:
    token = served.admin()("POST", "/api/v1/tokens", {"name": "header-only"}).json()["token"]
    client = Client(served.address, cookies={"virtscope": token})
    for path in ("/api/v1/hosts", f"/api/v1/hosts?token={token}", f"/api/v1/hosts?access_token={token}"):
        assert client("GET", path).status == 401
    client.clear()


def over_the_socket(served: Served, method: str, path: str, body: object = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(served.socket)
    connection.request(
        method, path, json.dumps(body) if body else None, {"Content-Type": "application/json", "X-Forwarded-For": "x"}
    )
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_whoever_can_open_the_servers_socket_is_its_owner(served: Served, open_server: Served) -> None:
    for running in (served, open_server):
        assert json.loads(over_the_socket(running, "GET", "/api/v1/session")[1])["user"] == "owner"
        new = {"name": "otto", "password": PASSWORD, "role": "viewer"}
        assert over_the_socket(running, "POST", "/api/v1/users", new)[0] == 201
        status, made = over_the_socket(running, "POST", "/api/v1/tokens", {"name": "owners", "role": "operator"})
        assert (status, json.loads(made)["user"]) == (201, "owner")
        assert over_the_socket(running, "DELETE", "/api/v1/users/otto")[0] == 204
    answer = served.client(json.loads(made)["token"])("GET", "/api/v1/hosts")
    assert answer.status == 401, "another server's token"


@pytest.mark.parametrize("path", ["/api/v1/session", "/api/v1/bootstrap"])
def test_a_body_beyond_the_limit_is_refused(served: Served, path: str) -> None:
    assert served.client()("POST", path, {"name": "x" * 100_000, "password": "y"}).status == 413
    host, port = served.address.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port))
    endless = (b"x" * 1_000 for _ in range(1_000))
    connection.request("POST", path, endless, {"Content-Type": "application/json"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()


def test_a_file_of_rules_may_be_as_large_as_all_that_a_server_has(served: Served) -> None:
    rules = "".join(
        f'[[rule]]\nname = "rule {n}"\non = "domains"\nwhen = "cpu>{n}"\nsummary = "{"x" * 200}"\n' for n in range(500)
    )
    answer = served.admin()("PUT", "/api/v1/alert-rules", {"toml": rules})
    assert len(rules) > 100_000
    assert answer.status != 413, answer.data
    assert served.admin()("PUT", "/api/v1/alert-rules", {"toml": "x" * 1_100_000}).status == 413


def test_who_somebody_is_is_asked_in_threads_that_answer_nobody(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def found(_token: str) -> None:
        threads.append(threading.current_thread().name)

    monkeypatch.setattr(served.access.tokens, "find", found)
    assert served.client("vst_x")("GET", "/api/v1/hosts").status == 401
    assert threads[0].startswith("access")


def test_no_secret_is_logged(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        client = served.user("cleo")
        token = client("POST", "/api/v1/tokens", {"name": "ci"}).json()["token"]
        served.client(token)("GET", "/api/v1/hosts")
        served.client("vst_canary-of-a-wrong-token")("GET", "/api/v1/hosts")
        served.client().sign_in("cleo", "canary of a wrong password")
        served.client().sign_in("line\nbreak", "canary of a wrong password")
        told = json.dumps([client("GET", path).json() for path in ("/api/v1/tokens", "/api/v1/session")])
    said = caplog.text + told
    assert "a sign-in as 'cleo'" in said
    assert "line\nbreak" not in said
    for secret in (PASSWORD, token, "canary", *client.cookies.values()):
        assert secret not in said


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/domains/web?range=1h", "/domains/web?range=1h"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\\b", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/a\r\nSet-Cookie: x=y", "/"),
        ("", "/"),
        (None, "/"),
        ("/" + "a" * 3_000, "/"),
    ],
)
def test_one_is_led_on_only_within_the_page(wanted: str | None, path: str) -> None:
    assert origin.local_path(wanted) == path


@pytest.mark.parametrize(
    ("listens", "host", "ours"),
    [
        ("127.0.0.1", "localhost:8420", True),
        ("127.0.0.1", "[::1]:8420", True),
        ("127.0.0.1", "192.0.2.1", False),
        ("192.0.2.1", "192.0.2.1:8420", True),
        ("192.0.2.1", "localhost", False),
        ("0.0.0.0", "192.0.2.1", True),
        ("::", "[2001:db8::1]:443", True),
        ("::", "evil.example", False),
        ("::", "vs.example.org.", True),
        ("::", "VS.example.org", True),
        ("::", "", False),
    ],
)
def test_the_names_of_a_server(listens: str, host: str, ours: bool) -> None:
    assert origin.is_ours(host, origin.names_of([listens], ["vs.example.org"])) is ours
