"""Signing in, users and API tokens on the command line, at a server that asks who one is."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.running import until
from tests.server.access.serving import ADMIN, PASSWORD, Served, serving


@dataclass
class Terminal:
    """Somebody's command line: with a home of his own, and a terminal where he is asked something."""

    home: Path

    def __call__(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "virtscope", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=self.environment | environment,
        )

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("VIRTSCOPE_")}
        folders = {"XDG_CONFIG_HOME": str(self.home / "config"), "XDG_STATE_HOME": str(self.home / "state")}
        return {**kept, **folders, "COLUMNS": "200", "NO_COLOR": "1"}

    @property
    def credentials(self) -> Path:
        return self.home / "config/virtscope/credentials.toml"

    def typed(self, *arguments: str, answers: list[str]) -> tuple[int, str]:
        """The exit status, and what the terminal shows, while somebody types answers to what he is asked."""
        mine, its = os.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "virtscope", *arguments],
            stdin=its,
            stdout=its,
            stderr=its,
            env=self.environment,
            start_new_session=True,
        )
        os.close(its)
        shown = ""
        for answer in [*answers, None]:
            asked = shown.count(": ")
            while answer is None or shown.count(": ") == asked:
                try:
                    shown += os.read(mine, 4096).decode()
                except OSError:  # the other end is closed
                    break
            if answer is not None:
                os.write(mine, f"{answer}\n".encode())
        os.close(mine)
        return process.wait(), shown


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("people"), tls=True) as running:
        running.admin()
        yield running


def test_a_password_is_typed_unseen_and_a_token_is_kept(served: Served, terminal: Terminal) -> None:
    assert served.ca
    status, shown = terminal.typed("login", "--server", served.address, "--ca", served.ca, answers=[ADMIN, PASSWORD])
    assert status == 0, shown
    assert PASSWORD not in shown
    assert f"{ADMIN} (admin) is signed in" in shown
    assert stat.S_IMODE(terminal.credentials.stat().st_mode) == 0o600
    [kept] = tomllib.loads(terminal.credentials.read_text())["servers"].values()
    assert kept["token"].startswith("vst_")
    assert PASSWORD not in terminal.credentials.read_text()
    assert "web" in terminal("list", "domains", "--server", served.address).stdout
    assert "web" in terminal("list", "domains", VIRTSCOPE_SERVER=served.address).stdout
    assert "signed out" in terminal("logout", "--server", served.address).stderr
    again = terminal("list", "domains", "--server", served.address, VIRTSCOPE_CA=served.ca)
    assert again.returncode == 7
    assert f"virtscope login --server {served.address}" in again.stderr
    assert served.client(kept["token"])("GET", "/api/v1/hosts").status == 401, "revoked on the server"


def test_a_wrong_password(served: Served, terminal: Terminal) -> None:
    status, shown = terminal.typed(
        "login", "--server", served.address, "--ca", str(served.ca), "--user", "nobody", answers=["a wrong password"]
    )
    assert status == 7
    assert "the name or the password is wrong" in shown
    assert not terminal.credentials.exists()


def test_users_and_tokens_by_the_servers_own_socket(served: Served, terminal: Terminal) -> None:
    own = ("--server", f"unix:{served.socket}")
    added = terminal("users", "add", "vera", "--project", "p-mine", "--password-stdin", *own, stdin=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    listed = json.loads(terminal("users", "list", "-o", "json", *own).stdout)
    assert {user["name"]: user["projects"] for user in listed} == {ADMIN: None, "vera": ["p-mine"]}
    assert "p-mine" in terminal("users", "list", *own).stdout
    assert terminal("users", "set", "vera", "--role", "operator", "--all-projects", *own).returncode == 0
    assert terminal("users", "set", "vera", *own).returncode == 2
    assert terminal("users", "set", "nobody", "--role", "admin", *own).returncode == 4
    assert terminal("users", "passwd", "vera", "--password-stdin", *own, stdin="another password\n").returncode == 0
    assert served.client().sign_in("vera", "another password").json()["role"] == "operator"
    token = terminal("api-tokens", "create", "ci", "--role", "operator", "--days", "1", *own).stdout.strip()
    assert served.client(token)("GET", "/api/v1/session").json()["user"] == "owner"
    assert "ci" in terminal("api-tokens", "list", *own).stdout
    assert terminal("api-tokens", "revoke", "ci", *own).returncode == 0
    assert terminal("api-tokens", "revoke", "ci", *own).returncode == 4
    assert served.client(token)("GET", "/api/v1/hosts").status == 401
    assert terminal("users", "remove", "vera", *own).returncode == 0
    assert terminal("users", "remove", ADMIN, *own).returncode == 2, "the last admin"


def test_a_token_is_kept_or_comes_from_the_environment(served: Served, terminal: Terminal) -> None:
    token = served.admin()("POST", "/api/v1/tokens", {"name": "of a script"}).json()["token"]
    here = ("--server", served.address)
    secret = {"VIRTSCOPE_CA": str(served.ca), "VIRTSCOPE_TOKEN": token}
    assert "web" in terminal("list", "domains", *here, **secret).stdout
    assert not terminal.credentials.exists()
    refused = terminal("login", *here, "--ca", str(served.ca), "--token-stdin", stdin="vst_wrong\n")
    assert refused.returncode == 7
    kept = terminal("login", *here, "--ca", str(served.ca), "--token-stdin", stdin=f"{token}\n")
    assert kept.returncode == 0, kept.stderr
    assert "web" in terminal("list", "domains", *here).stdout
    denied = terminal("users", "list", *here)
    assert denied.returncode == 7
    assert "takes the role admin" in denied.stderr
    following = subprocess.Popen(
        [sys.executable, "-m", "virtscope", "list", "events", "--follow", "-o", "json", *here],
        stdout=subprocess.PIPE,
        env=terminal.environment,
    )
    assert following.stdout
    told = following.stdout.readline()
    following.kill()
    following.communicate()
    assert json.loads(told)["kind"] == "started"


def test_the_default_server_is_the_one_whose_socket_can_be_opened(terminal: Terminal) -> None:
    folder = terminal.home / "state/virtscope"
    folder.mkdir(parents=True)
    with serving(folder) as running:
        until(lambda: running.address, "the server")
        assert "web" in terminal("list", "domains").stdout
        assert f"unix:{folder}/server.sock" in terminal("doctor", "--connect", "test:///default").stdout
        assert terminal("login", "--user", "x").returncode == 2
    gone = terminal("list", "domains")
    assert "127.0.0.1:8420" in gone.stderr or gone.returncode == 0


def test_what_cannot_be_is_said(served: Served, terminal: Terminal) -> None:
    open_address = ("--server", "http://192.0.2.1:8420")
    answer = terminal("list", "hosts", *open_address, VIRTSCOPE_TOKEN="vst_x")
    assert (answer.returncode, "not encrypted" in answer.stderr) == (3, True)
    untrusted = terminal("list", "hosts", "--server", served.address)
    assert (untrusted.returncode, "certificate" in untrusted.stderr) == (3, True)
    absent = terminal("list", "hosts", "--server", "unix:/nonexistent/server.sock")
    assert (absent.returncode, "No such file" in absent.stderr) == (3, True)
    assert terminal("login", "--server", served.address, "--user", "x").returncode == 2, "no terminal"
    terminal.credentials.parent.mkdir(parents=True)
    terminal.credentials.write_text("nonsense")
    terminal.credentials.chmod(0o600)
    assert "Mend it" in terminal("list", "hosts", "--server", served.address).stderr
    terminal.credentials.chmod(0o644)
    assert "chmod 600" in terminal("list", "hosts", "--server", served.address).stderr
