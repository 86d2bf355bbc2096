"""Sign-in with OpenID Connect, with a certified provider in a process of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest
import urllib3

from tests.oidc.processes import CALLBACK, Processes
from tests.server.access.serving import PASSWORD, Client, Served, serving
from virtscope.errors import BadInput, NotAllowed
from virtscope.server.access.claims import identity
from virtscope.server.access.oidc import Provider
from virtscope.server.access.settings import AccessSettings, OidcSettings
from virtscope.server.access.who import Role

ROLES = {"admins": Role.ADMIN, "operators": Role.OPERATOR, "viewers": Role.VIEWER}
PROJECTS = {"acme": ("p-mine",)}
ARRIVING = {"Origin": "", "Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, processes: Processes) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("oidc")
    (folder / "secret").write_text("s" * 43 + "\n")

    def settings(address: str) -> AccessSettings:
        issuer = processes.start(address)
        oidc = OidcSettings(issuer, "virtscope", folder / "secret", "Example", roles=ROLES, projects=PROJECTS)
        return AccessSettings(oidc=oidc)

    with serving(folder, settings) as running:
        running.admin()
        yield running


class Browser:
    """Somebody's browser: it follows redirects, and fills in the provider's forms."""

    def __init__(self, served: Served) -> None:
        self.here = served.client()
        self.there = Client("", headers={"Origin": ""})
        served.clients.append(self.there)

    def start(self, onward: str = "/domains") -> str:
        """The provider's address that the server leads to."""
        answer = self.here("GET", f"/api/v1/oidc/start?{urlencode({'next': onward})}")
        assert answer.status == 303
        return answer.headers["location"]

    def at_provider(self, address: str, name: str) -> str:
        """The address that the provider leads back to, once somebody has signed in there and agreed."""
        method, body = "GET", None
        while CALLBACK not in address:
            answer = self.ask(method, address, body)
            if answer.status in (302, 303):
                method, body, address = "GET", None, urljoin(address, answer.headers["location"])
                continue
            assert answer.status == 200, answer.data
            page = answer.data.decode()
            action = re.search(r'action="([^"]+)"', page)
            assert action, page
            prompt = re.search(r'name="prompt" value="(\w+)"', page)
            assert prompt
            method, address = "POST", urljoin(address, action[1])
            body = urlencode({"prompt": prompt[1], "login": name, "password": "x"})
        return address

    def ask(self, method: str, address: str, body: str | None) -> urllib3.BaseHTTPResponse:
        """One request to the provider."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.there.cookies.items())
        answer = self.there._pool.request(
            method,
            address,
            body=body,
            headers={"Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded"},
            redirect=False,
        )
        for line in answer.headers.getlist("set-cookie"):
            name, _, value = line.partition(";")[0].partition("=")
            self.there.cookies[name] = value
        return answer

    def arrive(self, address: str) -> str:
        """Where the server leads to, when the provider has led back to it."""
        parts = urlsplit(address)
        answer = self.here("GET", f"{parts.path}?{parts.query}", **ARRIVING)
        assert answer.status == 303
        return answer.headers["location"]

    def sign_in(self, name: str, onward: str = "/domains") -> str:
        """The whole way."""
        return self.arrive(self.at_provider(self.start(onward), name))

    def session(self) -> dict[str, object]:
        """Who the server takes it for."""
        found: dict[str, object] = self.here("GET", "/api/v1/session").json()
        return found


@pytest.mark.parametrize(
    ("name", "role", "projects"),
    [("ana", "admin", None), ("otto", "operator", ["p-mine"]), ("vera", "viewer", ["p-mine"]), ("olga", "viewer", [])],
)
def test_claims_bring_role_and_projects(served: Served, name: str, role: str, projects: list[str] | None) -> None:
    browser = Browser(served)
    assert browser.sign_in(name, "/domains?q=a") == "/domains?q=a"
    session = browser.session()
    assert (session["user"], session["role"], session["projects"]) == (f"{name}@example.org", role, projects)
    assert session["password"] is False
    seen = [domain["name"] for domain in browser.here("GET", "/api/v1/domains").json()["domains"]]
    assert seen == (["canary-db", "web"] if projects is None else ["web"] if projects else [])
    [user] = [one for one in served.admin()("GET", "/api/v1/users").json()["users"] if one["subject"] == name]
    assert (user["issuer"], user["email"]) == (served.access.settings.oidc.issuer, f"{name}@example.org")  # type: ignore[union-attr]


def test_the_provider_is_asked_with_state_nonce_and_pkce(served: Served) -> None:
    first, second = (parse_qs(urlsplit(Browser(served).start()).query) for _ in range(2))
    assert first["code_challenge_method"] == ["S256"]
    assert first["response_type"] == ["code"]
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]


def test_nobody_is_taken_for_a_user_of_the_same_name_or_unverified_email(served: Served) -> None:
    browser = Browser(served)
    browser.sign_in("unverified")
    session = browser.session()
    assert str(session["user"]).startswith("unverified@127.0.0.1")
    assert session["role"] == "viewer"
    # A password's user "ana" and the provider's "ana" are two.
    browser = Browser(served)
    browser.sign_in("ana")
    assert browser.session()["user"] == "ana@example.org"
    assert served.client().sign_in("ana@example.org", PASSWORD).status == 401


def test_whoever_has_no_role_is_refused(served: Served) -> None:
    browser = Browser(served)
    assert browser.sign_in("nobody") == "/domains?signin=refused"
    assert browser.session()["user"] is None


@pytest.mark.parametrize(
    ("forgery", "reason"),
    [
        ("nonce", "Invalid claim: 'nonce'"),
        ("no-nonce", "Missing claim: 'nonce'"),
        ("audience", "Invalid claim: 'aud'"),
        ("audiences", "Invalid claim: 'azp'"),
        ("issuer", "Invalid claim: 'iss'"),
        ("expired", "expired"),
        ("hash", "Invalid claim: 'at_hash'"),
        ("key", "bad_signature"),
        ("secret", "Algorithm of 'HS256' is not allowed"),
        ("unsigned", "Algorithm of 'none' is not allowed"),
    ],
)
def test_a_forged_identity_is_refused(
    served: Served, caplog: pytest.LogCaptureFixture, forgery: str, reason: str
) -> None:
    browser, subject = Browser(served), f"forged-{forgery}"
    assert browser.sign_in(subject) == "/domains?signin=refused"
    assert reason in caplog.text
    assert browser.session()["user"] is None
    assert all(user["subject"] != subject for user in served.admin()("GET", "/api/v1/users").json()["users"])


def test_an_answer_counts_only_in_the_browser_that_asked(served: Served) -> None:
    victim, attacker = Browser(served), Browser(served)
    back = attacker.at_provider(attacker.start(), "vera")
    assert victim.arrive(back) == "/?signin=refused", "no flow of its own"
    victim.start()
    assert victim.arrive(back) == "/domains?signin=refused", "the state of another flow"
    assert victim.session()["user"] is None


def test_an_answer_counts_once(served: Served) -> None:
    browser = Browser(served)
    back = browser.at_provider(browser.start(), "vera")
    kept = dict(browser.here.cookies)
    assert browser.arrive(back) == "/domains"
    again = Browser(served)
    again.here.cookies |= kept
    assert again.arrive(back) == "/domains?signin=refused"


def test_an_answer_of_another_provider_is_refused(served: Served) -> None:
    browser = Browser(served)
    back = browser.at_provider(browser.start(), "vera")
    assert "iss=" in back
    assert browser.arrive(re.sub(r"iss=[^&]*", "iss=https%3A%2F%2Fevil.example", back)) == "/domains?signin=refused"
    browser.start()
    assert browser.arrive(f"{CALLBACK}?error=access_denied") == "/domains?signin=refused"


def test_a_flow_leads_only_into_the_page(served: Served) -> None:
    assert Browser(served).sign_in("vera", "https://evil.example/") == "/"
    assert Browser(served).sign_in("vera", "//evil.example/") == "/"


def test_a_provider_that_is_away_is_said_and_passwords_go_on(tmp_path: Path, processes: Processes) -> None:
    silent = OidcSettings("http://127.0.0.1:1", "virtscope", roles=ROLES)
    with serving(tmp_path, lambda _address: AccessSettings(oidc=silent)) as running:
        answer = running.client()("GET", "/api/v1/oidc/start?next=/hosts")
        assert (answer.status, answer.headers["location"]) == (303, "/hosts?signin=provider")
        assert running.admin()("GET", "/api/v1/hosts").status == 200


def test_without_a_provider_there_is_no_way_to_one(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        assert running.client()("GET", "/api/v1/session").json()["oidc"] is None
        assert running.client()("GET", "/api/v1/oidc/start").status == 404


def test_a_provider_without_encryption_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="https"):
        Provider(OidcSettings("http://sso.example.org", "virtscope"))
    with pytest.raises(BadInput, match="No such file"):
        Provider(OidcSettings("https://sso.example.org", "virtscope", tmp_path / "absent"))


@pytest.mark.parametrize("groups", [None, [], "strangers", 7, [7, None], {"admins": True}])
def test_a_claim_of_any_shape_brings_no_role(groups: object) -> None:
    settings = OidcSettings("https://sso.example.org", "virtscope", roles=ROLES)
    with pytest.raises(NotAllowed):
        identity({"sub": "x", "groups": groups}, settings)


def test_a_default_role_and_every_project() -> None:
    settings = OidcSettings(
        "https://sso.example.org",
        "virtscope",
        roles=ROLES,
        projects={"all": ("*",), "one": ("a",)},
        default_role=Role.VIEWER,
    )
    assert identity({"sub": "x"}, settings).projects == frozenset()
    assert identity({"sub": "x", "groups": ["one", "all"]}, settings).projects is None
    assert identity({"sub": "x", "groups": "one"}, settings).projects == frozenset({"a"})
    assert identity({"sub": "x", "groups": ["one", "admins"]}, settings).projects is None
