"""What a program says of itself, in every form, and what must not be in it."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtscope import logs
from virtscope.redaction import GONE, Redaction

CANARY = "c4naryValue-77"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Leave logging as it was."""
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)
    yield
    root.handlers[:], (sys.excepthook, threading.excepthook) = handlers, hooks
    root.setLevel(level)
    logging.captureWarnings(capture=False)


def written(form: str, say: str = "all is %s", *arguments: object, level: int = logging.INFO) -> str:
    stream = io.StringIO()
    logs.begin(form, "info", stream=stream, environment={})
    logging.getLogger("part").log(level, say, *arguments)
    return stream.getvalue()


def test_text() -> None:
    line = written("text", "all is %s", "well")
    at, level, said = line.rstrip("\n").split(" ", 2)
    assert at[4] == "-"
    assert (level, said) == ("INFO", "all is well")


def test_json() -> None:
    record = json.loads(written("json", 'a "quoted"\nname %s', "\x1b[31m"))
    assert record["message"] == 'a "quoted"\nname \x1b[31m'
    assert (record["level"], record["logger"]) == ("info", "part")
    assert record["at"].endswith("+00:00")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_record_is_one_line_whatever_is_in_it(form: str) -> None:
    for hostile in ("a\nERROR forged", "a\r\n<0>forged", "a\u2028b", "\x1b[2J", "\x85x"):
        made = written(form, "domain %s", hostile)
        assert made.count("\n") == 1
        assert len(made.splitlines()) == 1 or form == "json"


def test_less_than_wanted_is_not_written() -> None:
    assert written("text", "x", level=logging.DEBUG) == ""


def journal(body: str, tmp_path: Path) -> list[str]:
    """The lines of a program whose error stream is, as far as it can tell, the journal's."""
    out = tmp_path / "journal"
    with out.open("w") as stream:
        found = os.fstat(stream.fileno())
        subprocess.run(
            [sys.executable, "-c", f"import logging\nfrom virtscope import logs\nlogs.begin('text', 'debug')\n{body}"],
            stderr=stream,
            check=True,
            env={**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"},
        )
    return out.read_text().splitlines()


def test_the_journal_gets_priorities(tmp_path: Path) -> None:
    body = "for level in (10, 20, 30, 40, 50): logging.getLogger().log(level, 'said')"
    assert journal(body, tmp_path) == ["<7>said", "<6>said", "<4>said", "<3>said", "<2>said"]


def test_a_traceback_has_the_priority_in_every_line(tmp_path: Path) -> None:
    lines = journal("try: raise ValueError('why')\nexcept ValueError: logging.exception('it failed')", tmp_path)
    assert lines[0] == "<3>it failed"
    assert lines[-1].endswith("ValueError: why")
    assert all(line.startswith("<3>") for line in lines)


def test_a_thread_that_ends_is_a_record(tmp_path: Path) -> None:
    body = "import threading\nt = threading.Thread(target=lambda: 1 / 0, name='ingest')\nt.start(); t.join()"
    lines = journal(body, tmp_path)
    assert lines[0] == "<2>BUG: ingest ended"
    assert "ZeroDivisionError" in lines[-1]


LEAKS = [
    f"password={CANARY}",
    f"client_secret = '{CANARY}'",
    f'{{"token": "{CANARY}"}}',
    f"{{'api_key': '{CANARY}'}}",
    f"Authorization: Basic {CANARY}",
    f"authorization: Bearer {CANARY}",
    f"Cookie: __Host-virtscope={CANARY}; a=b",
    f"sent Bearer {CANARY} along",
    f"https://user:{CANARY}@host/path",
    f"qemu+ssh://:{CANARY}@host/system",
    f"vst_{CANARY}",
    f"vse_{CANARY}",
    f"$argon2id$v=19$m=1${CANARY}",
    f"$2b$12${CANARY}",
    f"-----BEGIN EC PRIVATE KEY-----\n{CANARY}\n-----END EC PRIVATE KEY-----",
    f"-----BEGIN PRIVATE KEY-----\n{CANARY} and then the text was cut off",
    f"GET /login?access_token={CANARY}&x=1",
]


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("leak", LEAKS)
def test_what_looks_like_a_secret_is_not_written(form: str, leak: str) -> None:
    stream = io.StringIO()
    logs.begin(form, "info", stream=stream, environment={})
    logging.getLogger("part").info("got %s", leak)
    logging.getLogger("part").info(leak.replace("%", "%%"))
    try:
        raise ValueError(leak)
    except ValueError:
        logging.getLogger("part").exception("it failed")
    assert CANARY not in stream.getvalue()
    assert GONE in stream.getvalue()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_named_secret_is_not_written_whatever_it_looks_like(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "without_secrets", Redaction())
    secret = 'it"s a\\plain sentence'
    logs.without_secrets.name(f"{secret}\n")
    stream = io.StringIO()
    logs.begin(form, "info", stream=stream, environment={})
    logging.getLogger("part").info("read %s", secret)
    logging.getLogger("part").info("read %r", {"x": secret})
    try:
        raise ValueError(secret)
    except ValueError:
        logging.getLogger("part").exception("it failed")
    logged = stream.getvalue().replace(repr(secret), "")  # the source line that a traceback would quote
    assert "plain sentence" not in logged
    assert logged.count(GONE) == 3


ORDINARY = [
    "the enrolment token was used already",
    "qemu+ssh://root@kvm7/system is up",
    "http://[::1]:8420/ is down: no route",
    "the password is wrong, three tries left",
    "Basic figures: 3 of 4",
    "token: withdrawn",
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_sentences_stay(text: str) -> None:
    assert Redaction()(text) == text


@given(st.text(max_size=200))
def test_redaction_takes_any_text_and_is_done_at_once(text: str) -> None:
    redaction = Redaction()
    once = redaction(text)
    assert redaction(once) == once
