"""Changes of the data folder's format, oldest first. Each is one transaction together with the record that it ran."""

from __future__ import annotations

from collections.abc import Callable

import duckdb

FORMAT = 4
"""The version of the data folder. A newer one is refused; an older one is migrated, and a copy of it kept."""


def _ranges_and_agents(connection: duckdb.DuckDBPyConnection) -> None:
    """Progress in ranges, because batches of agents come in any order; links by agent, because URIs repeat."""
    connection.execute("ALTER TABLE progress RENAME TO progress_1")
    connection.execute(
        """CREATE TABLE progress (agent VARCHAR, epoch BIGINT, first BIGINT, last BIGINT NOT NULL,
                                  PRIMARY KEY (agent, epoch, first))"""
    )
    connection.execute("INSERT INTO progress SELECT agent, epoch, 1, sequence FROM progress_1 WHERE sequence > 0")
    connection.execute("DROP TABLE progress_1")
    connection.execute("ALTER TABLE links RENAME TO links_1")
    connection.execute(
        "CREATE TABLE links (agent VARCHAR, uri VARCHAR, document VARCHAR NOT NULL, PRIMARY KEY (agent, uri))"
    )
    connection.execute("INSERT INTO links SELECT '', uri, document FROM links_1")
    connection.execute("DROP TABLE links_1")


def _sizes_and_checksums(connection: duckdb.DuckDBPyConnection) -> None:
    """Files of the archive with their sizes and checksums; of those that are there already they are not known."""
    if connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'archive'").fetchone():
        connection.execute("ALTER TABLE archive ADD COLUMN bytes BIGINT")
        connection.execute("ALTER TABLE archive ADD COLUMN checksum VARCHAR")


def _fuller_sketches(connection: duckdb.DuckDBPyConnection) -> None:
    """Days of which there are steps of 5 minutes still are made again: their sketches tell of more quantities now."""
    if connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'archive'").fetchone():
        days = "SELECT time_bucket(INTERVAL 1 DAY, hour) FROM archive WHERE level = '5m'"
        connection.execute(f"DELETE FROM archive WHERE level IN ('1h', 'sketch') AND hour IN ({days})")


MIGRATIONS: dict[int, Callable[[duckdb.DuckDBPyConnection], None]] = {
    1: _ranges_and_agents,
    2: _sizes_and_checksums,
    3: _fuller_sketches,
}
"""From which format, and how to the next."""


def migrate(connection: duckdb.DuckDBPyConnection, found: int) -> None:
    """Bring a database of an older format to ours."""
    for version in range(found, FORMAT):
        connection.begin()
        try:
            MIGRATIONS[version](connection)
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('format', ?)", [version + 1])
            connection.commit()
        except BaseException:
            connection.rollback()
            raise
