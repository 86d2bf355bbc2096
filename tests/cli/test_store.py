"""The store on the command line: backed up, restored and checked through a server that goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_people import Terminal
from tests.server.access.serving import Served, serving
from virtscope.server.access.settings import AccessSettings
from virtscope.store.archive import Archive


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("store")) as running:
        running.admin()
        yield running


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path / "home")


def test_a_store_is_backed_up_checked_and_restored(served: Served, terminal: Terminal, tmp_path: Path) -> None:
    made = terminal("backup", str(tmp_path / "kept.tar"), "--server", f"unix:{served.socket}")
    assert made.returncode == 0, made.stderr
    assert "and verified" in made.stderr
    again = terminal("backup", str(tmp_path / "kept.tar"), "--server", f"unix:{served.socket}")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    restored = terminal("restore", str(tmp_path / "kept.tar"), "--data", str(tmp_path / "restored"))
    assert restored.returncode == 0, restored.stderr
    checked = terminal("store", "check", "--data", str(tmp_path / "restored"))
    assert checked.returncode == 0, checked.stderr
    assert "what was written" in checked.stderr
    offline = terminal("backup", str(tmp_path / "folder"), "--data", str(tmp_path / "restored"))
    assert offline.returncode == 0, offline.stderr
    assert (tmp_path / "folder/hot.duckdb").exists()


def test_damage_is_told_and_ends_with_a_status(served: Served, terminal: Terminal) -> None:
    samples = served.folder / "samples"
    assert terminal("store", "check", "--server", f"unix:{served.socket}").returncode == 0
    shown = json.loads(terminal("store", "show", "--server", f"unix:{served.socket}", "-o", "json").stdout)
    assert shown[0]["level"] == "hot"
    archive = served.services.keeper
    assert isinstance(archive, Archive)
    archive.run(int(shown[0]["newest"] * 1000) + 4 * 3_600_000)
    path = next(samples.glob("archive/host*/*/*"))
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(content)
    found = terminal("store", "check", "--server", f"unix:{served.socket}")
    assert found.returncode == 6
    assert path.name in found.stdout
    mended = terminal("store", "check", "--repair", "--server", f"unix:{served.socket}")
    assert mended.returncode == 0, mended.stderr
    assert terminal("store", "check", "--server", f"unix:{served.socket}").returncode == 0


def test_only_an_admin_may(served: Served) -> None:
    for client in (served.user("viewer"), served.user("limited", "viewer", ["p"])):
        assert client("GET", "/api/v1/backup").status == 403
        assert client("POST", "/api/v1/store/check", {}).status == 403
    assert served.client()("GET", "/api/v1/backup").status == 401


def test_where_nobody_signs_in_only_the_owner_of_the_socket_gets_the_keys(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir()
    with serving(tmp_path / "open", lambda _address: AccessSettings(login=False)) as running:
        assert running.client()("GET", "/api/v1/domains").status == 200
        assert running.client()("GET", "/api/v1/backup").status == 403


def test_sql_and_exports(served: Served, terminal: Terminal, tmp_path: Path) -> None:
    here = ("--server", f"unix:{served.socket}")
    found = terminal("sql", "SELECT name, host FROM domains ORDER BY name", "-o", "json", *here)
    assert found.returncode == 0, found.stderr
    assert {row["name"] for row in json.loads(found.stdout)} == {one.name for one in served.services.fleet.domains()}
    cut = terminal("sql", "SELECT name FROM domains", "--limit", "1", *here)
    assert "more than 1 rows" in cut.stderr
    refused = terminal("sql", "DROP TABLE domains", *here)
    assert refused.returncode == 2
    assert "one SELECT" in refused.stderr
    exported = terminal(
        "export", "domain", "-q", "cpu_cores", "--since", "1d", "--file", str(tmp_path / "x.csv"), *here
    )
    assert exported.returncode == 0, exported.stderr
    assert (tmp_path / "x.csv").read_text().startswith("time,domain,cpu_cores\n")
    assert terminal("export", "domain", "-q", "nonsense", *here).returncode == 4


def test_what_is_limited_to_projects_has_no_sql(served: Served) -> None:
    limited = served.user("narrow", "viewer", ["p"])
    assert limited("POST", "/api/v1/sql", {"query": "SELECT 1"}).status == 403
    assert limited("GET", "/api/v1/export?scope=domain").status == 403
    wide = served.user("wide")
    assert wide("POST", "/api/v1/sql", {"query": "SELECT 1"}).json()["rows"] == [[1]]
    assert wide("GET", "/api/v1/export?scope=host").status == 200
    assert served.client()("POST", "/api/v1/sql", {"query": "SELECT 1"}).status == 401
