"""SQL for people: one SELECT over views of the store, in a process that can reach nothing else.

The views are written to files first (see ``views``). A process of its own opens them in an empty database without
access to any other file or to the network, with bounds of memory and time, and may be killed: whatever a query does, it
does not do to the server.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from virtscope.catalogue import Quantity
from virtscope.errors import BadInput, StoreError, TooLarge, TooOften
from virtscope.store import Range, sql_process
from virtscope.store.database import Database, unfinished
from virtscope.store.duckdb_store import DuckdbStore
from virtscope.store.findings import Findings
from virtscope.store.records import Records
from virtscope.store.views import Views

SECONDS = 30.0
"""How long a query may take: for its views, and then for itself."""
EXPORT_SECONDS = 600.0
"""How long it may take to write an export."""
MOST_ROWS = 100_000
MOST_WAITING = 4
"""Who else may wait for his turn: each that does holds one of the threads that answer people."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What a query found."""

    columns: Sequence[str]
    types: Sequence[str]
    rows: Sequence[Sequence[Any]]
    is_cut: bool
    """Whether there are more than were asked for."""


class Sql:
    """Queries and exports of one store; one at a time."""

    def __init__(self, database: Database, store: DuckdbStore, records: Records) -> None:
        self._folder = database.folder
        self._store = store
        self._views = Views(store, records, Findings(database))
        self._turn = threading.Semaphore(1)
        self._places = threading.Semaphore(1 + MOST_WAITING)

    def query(self, query: str, over: Range, limit: int = 1_000, seconds: float = SECONDS) -> Rows:
        """Run one SELECT over the views of a range.

        Raises:
            BadInput: it is no such statement, or makes no sense.
            TooLarge: it takes too long, or too much memory.
            TooOften: another one runs.
        """
        with self._alone(), unfinished(self._folder) as name:
            files = self._views.write(query, over, Path(name), seconds)
            asked = {
                "query": query,
                "files": {view: str(path) for view, path in files.items()},
                "folder": name,
                "limit": limit,
                "seconds": seconds,
            }
            return _rows(_run(asked, seconds))

    @contextmanager
    def exported(
        self,
        quantities: Sequence[Quantity],
        objects: Sequence[str],
        over: Range,
        form: str,
        devices: Collection[tuple[str, str]] = (),
    ) -> Iterator[Path]:
        """A file with the quantities of these objects (none means all) at each step, as long as the block lasts.

        Args:
            quantities: of one scope.
            objects: UUIDs of hosts or domains.
            over: the range and its steps.
            form: ``parquet``, ``csv`` or ``jsonl``.
            devices: owner and device; of an owner that is among them, no devices but these.

        Raises:
            TooOften: something else runs.
        """
        with unfinished(self._folder) as name:
            path = Path(name) / f"export.{form}"
            with self._alone():  # and not while somebody reads it, however slowly
                self._store.write(quantities, objects, over, path, form, EXPORT_SECONDS, devices)
            yield path

    @contextmanager
    def _alone(self) -> Iterator[None]:
        busy = TooOften("other queries are running", "Ask again in a while.", SECONDS)
        if not self._places.acquire(blocking=False):
            raise busy
        try:
            if not self._turn.acquire(timeout=SECONDS):
                raise busy
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self._places.release()


def _run(asked: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What the process of a query answers."""
    command = [sys.executable, "-I", "-m", sql_process.__name__]
    try:
        # What it may use is bounded within; the deadline here is for what does not heed that.
        ended = subprocess.run(
            command,
            input=json.dumps(asked).encode(),
            capture_output=True,
            timeout=seconds + 10,
            env={},
            cwd="/",
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _too_long(seconds) from None
    except OSError as error:
        raise StoreError(f"a process for the query cannot be started: {error}", "Ask again.") from None
    if ended.returncode == 0:
        answer: dict[str, Any] = json.loads(ended.stdout)
        return answer
    if ended.returncode < 0:
        raise TooLarge("the query takes too much memory or time", "Ask for less: a shorter range, fewer columns.")
    raise StoreError("the query's process failed", ended.stderr.decode(errors="replace").strip()[-300:])


def _rows(answer: dict[str, Any]) -> Rows:
    match answer.get("refused"):
        case None:
            return Rows(answer["columns"], answer["types"], answer["rows"], answer["is_cut"])
        case "time":
            raise _too_long(answer["seconds"])
        case "memory":
            raise TooLarge("the query takes too much memory", "Ask for less: a shorter range, fewer columns.")
        case _:
            raise BadInput(answer["reason"], "docs/sql.md lists the views and their columns.")


def _too_long(seconds: float) -> TooLarge:
    return TooLarge(f"the query takes more than {seconds:g} s", "Ask for less: a shorter range, a longer step.")
