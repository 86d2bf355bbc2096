"""Signing in and out in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.oidc.processes import Processes
from tests.page.test_page import browser
from tests.server.access.serving import ADMIN, PASSWORD, Served, serving
from virtscope.server.access.settings import AccessSettings, OidcSettings
from virtscope.server.access.who import Role


@pytest.fixture
def served(tmp_path: Path, processes: Processes) -> Iterator[Served]:
    """A server at an address; the provider's name makes it another site."""

    def settings(address: str) -> AccessSettings:
        roles = {"viewers": Role.VIEWER}
        issuer = processes.start(address, "localhost")
        return AccessSettings(
            oidc=OidcSettings(
                issuer, "virtscope", _secret(tmp_path), "Example", roles=roles, projects={"acme": ("p-mine",)}
            )
        )

    with serving(tmp_path, settings) as running:
        yield running


@pytest.fixture
def page(served: Served) -> Iterator[Page]:
    with browser(served.address, "status of 401", "status of 403", "status of 404") as opened:
        yield opened


def _secret(folder: Path) -> Path:
    (folder / "secret").write_text("s" * 43)
    return folder / "secret"


def sign_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")


def test_the_first_admin_signs_out_and_in_again(served: Served, page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="The first admin")).to_be_visible()
    expect(page.get_by_label("Secret")).to_be_focused()
    page.keyboard.type((served.folder / "bootstrap-secret").read_text().strip())
    page.get_by_label("Your name").fill(ADMIN)
    page.get_by_label("A password").fill(PASSWORD)
    page.get_by_role("button", name="Become the admin").click()
    expect(page.get_by_test_id("who")).to_have_text(ADMIN)
    expect(page.get_by_test_id("live")).to_contain_text("live")

    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_label("Name")).to_be_focused()
    expect(page.get_by_text("web")).to_have_count(0)
    assert page.context.cookies() == []

    sign_in(page, ADMIN, "a wrong password")
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("who")).to_have_text(ADMIN)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_one_comes_to_where_one_wanted_to_be(served: Served, page: Page) -> None:
    served.user("vera", projects=["p-mine"])
    page.goto("/domains?q=web")
    sign_in(page, "vera", PASSWORD)
    table = page.get_by_role("region", name="Domains")
    expect(table.get_by_role("link", name="web", exact=True)).to_be_visible()
    assert page.url == f"{served.address}/domains?q=web"
    page.goto("/domains")
    expect(table.get_by_role("link", name="web", exact=True)).to_be_visible()
    assert "canary" not in page.content()
    page.goto("/domains/canary-db")
    expect(page.get_by_role("heading", name="Not found")).to_be_visible()


def test_whoever_is_changed_has_to_sign_in_and_stays_where_he_was(served: Served, page: Page) -> None:
    served.user("vera")
    page.goto("/domains/web")
    sign_in(page, "vera", PASSWORD)
    expect(page.get_by_role("heading", name="web", exact=True)).to_be_visible()
    served.admin()("PATCH", "/api/v1/users/vera", {"role": "operator"})
    served.services.live.tell(1.0, 2, [])  # type: ignore[attr-defined]
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    sign_in(page, "vera", PASSWORD)
    expect(page.get_by_role("heading", name="web", exact=True)).to_be_visible()


def test_a_script_of_the_page_cannot_read_the_session(served: Served, page: Page) -> None:
    served.admin()
    page.goto("/")
    sign_in(page, ADMIN, PASSWORD)
    expect(page.get_by_test_id("who")).to_have_text(ADMIN)
    assert page.evaluate("document.cookie") == ""
    [cookie] = page.context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")


@pytest.mark.parametrize(("name", "welcome"), [("vera", True), ("nobody", False)])
def test_the_provider_of_another_site_leads_back(served: Served, page: Page, name: str, welcome: bool) -> None:
    served.admin()
    page.goto("/domains?q=web")
    page.get_by_role("link", name="Sign in with Example").click()
    page.locator("input[name=login]").fill(name)
    page.locator("input[name=password]").fill("x")
    page.locator("[type=submit]").click()
    page.locator("[type=submit]", has_text="Continue").click()
    if welcome:
        expect(page.get_by_test_id("who")).to_have_text("vera@example.org")
        table = page.get_by_role("region", name="Domains")
        expect(table.get_by_role("link", name="web", exact=True)).to_be_visible()
        assert page.url == f"{served.address}/domains?q=web"
    else:
        expect(page.get_by_role("alert")).to_contain_text("did not vouch for you")
        assert urlsplit(page.url).path == "/domains"


def test_another_site_gets_nothing_done(served: Served, page: Page) -> None:
    served.admin()
    page.goto("/")
    sign_in(page, ADMIN, PASSWORD)
    expect(page.get_by_test_id("who")).to_have_text(ADMIN)
    evil = page.context.new_page()
    # The same machine by another name is another site to a browser.
    elsewhere = served.address.replace("127.0.0.1", "localhost")
    evil.goto(f"{elsewhere}/icon.svg")
    told = evil.evaluate(
        """async (address) => {
            const tries = [
                fetch(`${address}/api/v1/domains`, { credentials: 'include' }),
                fetch(`${address}/api/v1/session`, { method: 'DELETE', credentials: 'include' }),
                fetch(`${address}/api/v1/users/ana`, { method: 'POST', mode: 'no-cors', credentials: 'include' })
                    .then((answer) => { if (answer.status !== 0) throw answer; throw 'opaque'; }),
                new Promise((heard, refused) => {
                    const stream = new EventSource(`${address}/api/v1/live`, { withCredentials: true });
                    stream.onopen = heard;
                    stream.onerror = refused;
                }),
            ];
            return (await Promise.allSettled(tries)).map((one) => one.status);
        }""",
        served.address,
    )
    assert told == ["rejected"] * 4
    evil.close()
    page.reload()
    expect(page.get_by_test_id("who")).to_have_text(ADMIN)


def test_an_admin_adds_a_user_and_makes_a_token(served: Served, page: Page) -> None:
    served.admin()
    page.goto("/access")
    sign_in(page, ADMIN, PASSWORD)
    users = page.get_by_role("region", name="Users")
    expect(users.get_by_role("row", name=ADMIN)).to_be_visible()
    users.get_by_label("Name").fill("vera")
    users.get_by_label("A password").fill(PASSWORD)
    users.get_by_label("Projects").fill("p-mine")
    users.get_by_role("button", name="Add").click()
    expect(users.get_by_role("row", name="vera")).to_contain_text("p-mine")

    tokens = page.get_by_role("region", name="API tokens")
    tokens.get_by_label("Name of the token").fill("reporting")
    tokens.get_by_role("button", name="Make a token").click()
    text = page.get_by_test_id("made").inner_text()
    assert served.client(text)("GET", "/api/v1/hosts").status == 200
    row = tokens.get_by_role("row", name="reporting")
    row.get_by_role("button", name="Remove").click()
    row.get_by_role("button", name="Really remove").click()
    expect(row).to_have_count(0)
    assert served.client(text)("GET", "/api/v1/hosts").status == 401
