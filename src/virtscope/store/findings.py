"""Findings with their history: when each was found first and last, when it was gone, and who has dismissed it.

A finding is known again by what it speaks of and its verdict. One that is not found any more is gone; if it is found
again, that is another one, with a beginning of its own. Where a run knew too little of a subject, what was found on it
before stays as it was: neither still true nor gone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import msgspec

from virtscope.analysis.finding import INSUFFICIENT, NOTHING, Finding, Subject
from virtscope.errors import NotFound
from virtscope.store.database import Database
from virtscope.store.snapshot import moment

KEEP_DAYS = 400
"""How long a finding that is gone is remembered."""
_DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Dismissal:
    """Somebody does not want to hear of a finding."""

    at: int
    """Unix ms."""
    until: int | None
    """When it ends, Unix ms; None: never."""
    who: str
    reason: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A finding and its history. Times are Unix ms."""

    id: str
    """The same whenever the same is found on the same subject."""
    finding: Finding
    """As it was found last."""
    first: int
    last: int
    gone: int | None
    is_new: bool
    """Whether the newest run of its analysis found it first."""
    dismissal: Dismissal | None
    """The one that holds at the time that was asked about."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run of an analysis."""

    analysis: str
    at: int
    seconds: float
    findings: int
    """How many it kept."""
    problem: str | None
    """Why it has no result, where it has none."""


class Findings:
    """The tables of findings. Written by one thread at a time, read by any."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, analysis: str, at: int, seconds: float, findings: Sequence[Finding]) -> None:
        """Store what a run of an analysis has found, at a time (Unix ms)."""
        kept = {key(one): one for one in findings if one.verdict not in (NOTHING, INSUFFICIENT)}
        unknown = {_subject(one.subject) for one in findings if one.verdict == INSUFFICIENT}
        with self._database.write() as connection:
            rows = connection.execute(
                "SELECT id, epoch_ms(first), document FROM findings WHERE analysis = ? AND gone IS NULL", [analysis]
            ).fetchall()
            before = {id: (first, document) for id, first, document in rows}  # noqa: A001
            for id, (first, document) in before.items():  # noqa: A001
                subject = _subject(_decode(document).subject)
                if id not in kept and subject not in unknown and _subject(_NOBODY) not in unknown:
                    connection.execute(
                        f"UPDATE findings SET gone = {moment(at)} WHERE id = ? AND first = {moment(first)}", [id]
                    )
            for id, one in kept.items():  # noqa: A001
                first = before[id][0] if id in before else at
                connection.execute(
                    f"INSERT OR REPLACE INTO findings VALUES (?, {moment(first)}, ?, {moment(at)}, NULL, ?)",
                    [id, analysis, msgspec.json.encode(one).decode()],
                )
            self._ran(connection, Run(analysis, at, seconds, len(kept), None))
            connection.execute(f"DELETE FROM findings WHERE gone < {moment(at - KEEP_DAYS * _DAY)}")
            connection.execute(f"DELETE FROM analysis_runs WHERE ts < {moment(at - KEEP_DAYS * _DAY)}")

    def failed(self, analysis: str, at: int, seconds: float, problem: str) -> None:
        """Store that a run came to nothing. What was found before stays as it was."""
        with self._database.write() as connection:
            self._ran(connection, Run(analysis, at, seconds, 0, problem))

    def runs(self) -> dict[str, Run]:
        """The newest run of each analysis."""
        cursor = self._database.cursor()
        try:
            rows = cursor.execute(
                """SELECT analysis, epoch_ms(ts), seconds, findings, problem FROM analysis_runs
                   QUALIFY row_number() OVER (PARTITION BY analysis ORDER BY ts DESC) = 1"""
            ).fetchall()
        finally:
            cursor.close()
        return {row[0]: Run(*row) for row in rows}

    def all(self, now: int, *, gone_since: int | None = None) -> list[Kept]:
        """What is found now, newest first; and what is gone since a time, where one is given. Unix ms."""
        cursor = self._database.cursor()
        try:
            rows = cursor.execute(
                f"""SELECT f.id, f.document, epoch_ms(f.first), epoch_ms(f.last), epoch_ms(f.gone),
                           coalesce(f.first = r.newest, false),
                           epoch_ms(d.ts), epoch_ms(d.until), d.who, d.reason
                    FROM findings f
                    LEFT JOIN (SELECT analysis, max(ts) AS newest FROM analysis_runs WHERE problem IS NULL
                               GROUP BY analysis) r USING (analysis)
                    LEFT JOIN dismissals d ON d.id = f.id AND (d.until IS NULL OR d.until > {moment(now)})
                    WHERE f.gone IS NULL {"" if gone_since is None else f"OR f.gone >= {moment(gone_since)}"}
                    ORDER BY f.first DESC, f.id"""
            ).fetchall()
        finally:
            cursor.close()
        return [
            Kept(
                id, _decode(text), first, last, gone, is_new, None if at is None else Dismissal(at, until, who, reason)
            )
            for id, text, first, last, gone, is_new, at, until, who, reason in rows  # noqa: A001
        ]

    def dismiss(self, id: str, dismissal: Dismissal) -> None:  # noqa: A002
        """Take note that somebody does not want to hear of a finding, in place of what was noted before."""
        until = "NULL" if dismissal.until is None else moment(dismissal.until)
        with self._database.write() as connection:
            if connection.execute("SELECT 1 FROM findings WHERE id = ? LIMIT 1", [id]).fetchone() is None:
                raise _unknown(id)
            connection.execute(
                f"INSERT OR REPLACE INTO dismissals VALUES (?, {moment(dismissal.at)}, {until}, ?, ?)",
                [id, dismissal.who, dismissal.reason],
            )

    def restore(self, id: str) -> None:  # noqa: A002
        """Undo a dismissal; NotFound where there is none."""
        with self._database.write() as connection:
            if connection.execute("DELETE FROM dismissals WHERE id = ? RETURNING id", [id]).fetchone() is None:
                raise NotFound(
                    f"the finding {id} is not dismissed", "'virtscope findings list --dismissed' tells which."
                )

    def _ran(self, connection: duckdb.DuckDBPyConnection, run: Run) -> None:
        connection.execute(
            f"INSERT INTO analysis_runs VALUES (?, {moment(run.at)}, ?, ?, ?)",
            [run.analysis, run.seconds, run.findings, run.problem],
        )


def key(finding: Finding) -> str:
    """By what a finding is known again."""
    subject = finding.subject
    parts = (finding.analysis, subject.kind, subject.id, subject.part, finding.verdict)
    return hashlib.sha256("\0".join(parts).encode(errors="surrogatepass")).hexdigest()[:16]


_NOBODY = Subject("fleet", "", "")


def _subject(subject: Subject) -> tuple[str, str]:
    """Whom it is about: where too little is known of a domain, its parts are not known either."""
    return ("fleet", "") if subject.kind == "fleet" else ("", subject.id)


def _decode(document: str) -> Finding:
    return msgspec.json.decode(document, type=Finding)


def _unknown(id: str) -> NotFound:  # noqa: A002
    return NotFound(f"no finding {id!r}", "'virtscope findings list' shows their ids.")
