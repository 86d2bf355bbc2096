"""What a program says of itself: lines for people, for the journal, or JSON; on the error stream, without secrets.

A record is one line (a traceback follows in lines of its own, except in JSON): what a hostile name brings along cannot
begin another.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TextIO

from virtscope.redaction import Redaction

log = logging.getLogger(__name__)

without_secrets = Redaction()
"""Every record goes through it: whoever reads a secret from a file names it here."""


def begin(form: str, level: str, *, stream: TextIO | None = None, environment: Mapping[str, str] | None = None) -> None:
    """Log from now on; replaces what was set up before.

    Args:
        form: ``text`` or ``json``.
        level: the least that is written: ``debug``, ``info``, ``warning`` or ``error``.
        stream: where to; the error stream unless told otherwise.
        environment: of this process unless told otherwise.
    """
    to = sys.stderr if stream is None else stream
    logging.basicConfig(level=level.upper(), handlers=[_handler(form, to, environment or os.environ)], force=True)
    logging.captureWarnings(capture=True)
    sys.excepthook = lambda kind, error, trace: log.critical("BUG: the program ends", exc_info=(kind, error, trace))
    threading.excepthook = _thread_ended


def for_people(form: str) -> bool:
    """Whether somebody reads along on a terminal."""
    return form == "text" and sys.stderr.isatty()


def _handler(form: str, stream: TextIO, environment: Mapping[str, str]) -> logging.Handler:
    if form == "text" and stream.isatty():
        from rich.console import Console
        from rich.logging import RichHandler

        rich = RichHandler(console=Console(stderr=True), show_path=False, markup=False, log_time_format="%H:%M:%S")
        rich.setFormatter(Lines("%(message)s"))
        return rich
    handler = logging.StreamHandler(stream)
    if form == "json":
        handler.setFormatter(Json())
    elif _is_journal(stream, environment):
        handler.setFormatter(Journal("%(message)s"))
    else:
        handler.setFormatter(Lines("%(asctime)s %(levelname)s %(message)s"))
    return handler


def _is_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether the stream is the journal's (systemd.exec(5), ``JOURNAL_STREAM``)."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _thread_ended(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None:
        name = ended.thread.name if ended.thread else "a thread"
        log.critical("BUG: %s ended", name, exc_info=(ended.exc_type, ended.exc_value, ended.exc_traceback))


def _one_line(text: str) -> str:
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


class Lines(logging.Formatter):
    """A line for each record."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging calls it so
        """The record's own line."""
        return without_secrets(_one_line(super().formatMessage(record)))

    def formatException(self, ei: object) -> str:  # noqa: N802
        """The traceback's lines, indented so that none is taken for a record."""
        text: str = super().formatException(ei)  # type: ignore[arg-type]
        return "\n".join(f"    {_one_line(line)}" for line in without_secrets(text).splitlines())

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        """Local, to the second."""
        return datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="seconds")


_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class Journal(Lines):
    """Lines with the priority that journald takes off again (sd-daemon(3)). It knows the time by itself."""

    def format(self, record: logging.LogRecord) -> str:
        """Each line with the record's priority."""
        priority = next((number for level, number in _PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class Json(logging.Formatter):
    """An object for each record: ``at`` (RFC 3339, UTC), ``level``, ``logger``, ``thread``, ``message``, ``error``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        told = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "thread": record.threadName,
            "message": without_secrets(record.getMessage()),
        }
        if record.exc_info:
            told["error"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False)
