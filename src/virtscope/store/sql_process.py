"""The process of one query: reads what is asked as JSON, and answers as JSON. It reaches the views' files, no others.

Its database lies in memory; access to anything outside is switched off before the query is looked at, and cannot be
switched on again.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
from typing import Any

import duckdb

from virtscope.schema import quoted

MEMORY = "512MB"
ADDRESSES = 4 << 30
"""Bytes of address space: what a query takes beside the database's own bookkeeping."""


def main() -> None:
    """Answer one query."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    json.dump(answer(json.load(sys.stdin)), sys.stdout, default=str)
    sys.stdout.flush()
    os._exit(0)  # the threads of an answer that was not read to its end would abort otherwise


def answer(asked: dict[str, Any]) -> dict[str, Any]:
    """The rows of a query, or why there are none."""
    connection = duckdb.connect(":memory:", config={"memory_limit": MEMORY, "threads": 1, "temp_directory": ""})
    connection.execute("SET TimeZone = 'UTC'")
    for name, path in asked["files"].items():
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({quoted(path)})")
    connection.execute(f"SET allowed_directories = [{quoted(asked['folder'])}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    timer = threading.Timer(asked["seconds"], connection.interrupt)
    timer.daemon = True
    timer.start()
    try:
        statements = connection.extract_statements(asked["query"])
        if [statement.type for statement in statements] != [duckdb.StatementType.SELECT]:
            return {"refused": "statement", "reason": "that is not one SELECT: nothing else can be asked"}
        found = connection.execute(statements[0])
        rows = found.fetchmany(asked["limit"] + 1)
        described = found.description or []
    except duckdb.InterruptException:
        return {"refused": "time", "seconds": asked["seconds"]}
    except (duckdb.OutOfMemoryException, MemoryError):
        return {"refused": "memory"}
    except duckdb.Error as error:
        return {"refused": "query", "reason": " ".join(str(error).split())[:2_000]}
    finally:
        timer.cancel()
    return {
        "columns": [column[0] for column in described],
        "types": [str(column[1]) for column in described],
        "rows": [[_plain(value) for value in row] for row in rows[: asked["limit"]]],
        "is_cut": len(rows) > asked["limit"],
    }


def _plain(value: Any) -> Any:
    """A value as JSON has it: what is no number there is a text."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None if value != value else str(value)
    return value


if __name__ == "__main__":
    main()
