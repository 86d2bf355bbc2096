"""Upgrades and downgrades: what an older version has left is read, what only a newer one can read is kept."""

from __future__ import annotations

from pathlib import Path

import duckdb
import msgspec
import pytest

from tests.faults.rig import Rig
from tests.running import until
from tests.synthetic import batch, opened, sample
from virtscope.agent.delivery import FOLDER
from virtscope.agent.spool import Spool
from virtscope.catalogue import Scope
from virtscope.errors import StoreError
from virtscope.ranges import Ranges
from virtscope.sample import Link, LinkState, now_ms
from virtscope.schema import ddl
from virtscope.store.database import Database
from virtscope.store.migrations import FORMAT
from virtscope.wire import VERSION, compress

FORMAT_1 = """
CREATE TABLE meta (name VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
CREATE TABLE progress (agent VARCHAR, epoch BIGINT, sequence BIGINT NOT NULL, PRIMARY KEY (agent, epoch));
CREATE TABLE inventory (
    ts TIMESTAMP_MS NOT NULL, kind VARCHAR NOT NULL, id VARCHAR NOT NULL, host VARCHAR NOT NULL, document VARCHAR);
CREATE TABLE texts (hash VARCHAR PRIMARY KEY, text VARCHAR NOT NULL);
CREATE TABLE links (uri VARCHAR PRIMARY KEY, document VARCHAR NOT NULL);
CREATE TABLE events (
    ts TIMESTAMP_MS NOT NULL, host VARCHAR NOT NULL, domain VARCHAR, kind VARCHAR NOT NULL, detail VARCHAR NOT NULL);
CREATE TABLE archive (
    scope VARCHAR, level VARCHAR, hour TIMESTAMP_MS, path VARCHAR NOT NULL, PRIMARY KEY (scope, level, hour));
INSERT INTO meta VALUES ('format', '1'), ('version', '0.1');
INSERT INTO progress VALUES ('qemu:///system', 7, 41), ('test:///default', 7, 0);
"""
"""What the first version made."""


def test_frames_of_a_newer_agent_are_refused_in_words_and_kept(shared_rig: Rig) -> None:
    """The agent was newer and is older again; its server never was. What is new goes on."""
    server, agents = shared_rig.both(1)
    agents.end()
    spool = Spool(shared_rig.state / "agent000" / FOLDER)
    envelope = {"version": VERSION + 1, "at": now_ms(), "samples": [], "what": "nobody knows"}
    spool.append(compress(msgspec.msgpack.encode(envelope)), now_ms() - 120_000)
    spool.close()
    agents = shared_rig.emitter()
    until(lambda: f"version {VERSION + 1}" in (agents.agents()[0]["problem"] or ""), "the refusal")
    assert "Upgrade the server" in agents.agents()[0]["problem"]
    agents.emit(5, now_ms(), 100)
    until(lambda: not shared_rig.balance().missing, "what is new")
    (agent,) = agents.agents()
    assert (agent["waiting"], agent["dropped"], agent["refused"]) == (1, 0, 0)
    assert server.status("/readyz") == 200


def make_format_1(folder: Path) -> None:
    folder.mkdir()
    with duckdb.connect(str(folder / "hot.duckdb")) as connection:
        connection.execute(FORMAT_1)
        for scope in Scope:
            connection.execute(ddl(scope))
        link = msgspec.json.encode(Link("qemu:///system", LinkState.UP, 5, "host")).decode()
        connection.execute("INSERT INTO links VALUES ('qemu:///system', ?)", [link])
        connection.execute("INSERT INTO host (ts, host) VALUES (make_timestamp_ms(1700000000000), 'host')")


def test_a_store_of_the_first_format_is_migrated_and_a_copy_kept(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    make_format_1(folder)
    for _ in range(2):  # and opens again as what it is now
        with opened(folder) as made:
            assert made.records.stored("qemu:///system", 7) == Ranges([(1, 41)])
            assert made.records.stored("test:///default", 7) == Ranges()
            assert [link.uri for link in made.records.known().links] == ["qemu:///system"]
            assert made.database.cursor().execute("SELECT count(*) FROM host").fetchall() == [(1,)]
            assert made.database.cursor().execute("SELECT value FROM meta WHERE name = 'format'").fetchall() == [
                (str(FORMAT),)
            ]
    with opened(folder) as made:
        made.store.append([batch(42, sample("host", 1_700_000_010_000, {}), agent="qemu:///system", epoch=7)])
        assert made.records.stored("qemu:///system", 7) == Ranges([(1, 42)])
    with duckdb.connect(str(folder / "hot.duckdb.format-1"), read_only=True) as copy:
        assert copy.execute("SELECT sequence FROM progress WHERE agent = 'qemu:///system'").fetchall() == [(41,)]


def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with opened(folder) as made:
        made.database._connection.execute("UPDATE meta SET value = ? WHERE name = 'format'", [str(FORMAT + 1)])
    before = (folder / "hot.duckdb").read_bytes()
    with pytest.raises(StoreError, match="newer virtscope"):
        Database(folder)
    assert (folder / "hot.duckdb").read_bytes() == before
    assert not (folder / "quarantine").exists()
