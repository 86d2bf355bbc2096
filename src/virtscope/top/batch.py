"""``virtscope top`` without a screen: tables, CSV or JSON lines, one round after another."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.text import Text

from virtscope.cli import output
from virtscope.cli.columns import Column
from virtscope.cli.formats import Format
from virtscope.cli.source import Source
from virtscope.errors import BadInput, ServerError
from virtscope.top import alarms, view
from virtscope.top.snapshot import Feed, Snapshot
from virtscope.top.view import VIEWS, Look


def run(
    source: Source,
    console: Console,
    look: Look,
    interval: float,
    rounds: int | None,
    form: Format,
    file: Path | None,
    rest: Callable[[float], None] = time.sleep,
) -> None:
    """Write round after round.

    Args:
        source: where everything comes from.
        console: where tables go, and CSV or JSON lines where no file is named.
        look: what is listed, in which order.
        interval: seconds from one round to the next.
        rounds: how many; None: until interrupted.
        form: how it is written to the console.
        file: where CSV goes beside that.
        rest: waits so many seconds.

    Raises:
        BadInput: the search makes no sense, the file cannot be written, or alerts are asked for where nobody has any.
        ServerError: there was no answer to the first question.
    """
    if form in (Format.YAML, Format.NAME):
        raise BadInput(f"rounds cannot be written as {form.word}", "Choose table, wide, csv or json (a line a round).")
    feed = Feed(source, interval, lambda _snapshot: None)
    feed.look_at(look.kind)
    view.lines(Snapshot(0.0), look)  # what makes no sense is said before anything is asked
    with ExitStack() as opened:
        into = _opened(opened, file)
        table = form in (Format.TABLE, Format.WIDE)
        for number in count():
            began = time.monotonic()
            snapshot = feed.ask()
            if number == 0 and snapshot.answered is None:
                raise ServerError(snapshot.problem or "no answer", "'virtscope doctor' looks closer.")
            if look.kind == "alerts" and snapshot.unasked and look.kind not in snapshot.items:
                raise BadInput(snapshot.unasked, "Ask a server: --server URL, or another context with --context NAME.")
            if form is Format.CSV:
                _csv(console.file, snapshot, look, header=number == 0)
            elif form is Format.JSON:
                _json(console.file, snapshot, look)
            if table and not (file and rounds is None):
                _table(console, snapshot, look, wide=form is Format.WIDE)
            if into is not None:
                _csv(into, snapshot, look, header=number == 0)
            if rounds is not None and number + 1 >= rounds:
                return
            rest(max(0.0, began + interval - time.monotonic()))


def _opened(stack: ExitStack, file: Path | None) -> IO[str] | None:
    if file is None:
        return None
    try:
        return stack.enter_context(file.open("w", newline="", encoding="utf-8"))
    except OSError as error:
        raise BadInput(f"cannot write {file}: {error.strerror}", "Name another file with --csv.") from None


def _table(console: Console, snapshot: Snapshot, look: Look, *, wide: bool) -> None:
    at = time.strftime("%H:%M:%S", time.localtime(snapshot.at))
    console.print(Text(f"{at}  {view.summary(snapshot)}").append_text(alarms.count(snapshot)), soft_wrap=True)
    for problem in view.problems(snapshot, time.time()):
        console.print(Text(f"✗ {problem}", "red"), soft_wrap=True)
    items = [line.item for line in view.lines(snapshot, look) if line.item is not None]
    console.print(output.Listing(items, VIEWS[look.kind].columns, wide=wide))


def _csv(stream: IO[str], snapshot: Snapshot, look: Look, *, header: bool) -> None:
    """A row for each item: when it was asked for, and every column in base units."""
    columns: tuple[Column, ...] = VIEWS[look.kind].columns
    writer = csv.writer(stream, lineterminator="\n")
    if header:
        writer.writerow(["time", *(column.title.lower().replace(" ", "_") for column in columns)])
    at = f"{snapshot.at:.3f}"
    for line in view.lines(snapshot, look):
        if line.item is not None:
            writer.writerow([at, *(output.harmless(column.value(line.item)) for column in columns)])
    stream.flush()


def _json(stream: IO[str], snapshot: Snapshot, look: Look) -> None:
    """A line for each round: ``at``, ``problem``, how many alerts fire, and the items as the API answers them."""
    items = [line.item for line in view.lines(snapshot, look)]
    told = {
        "at": snapshot.at,
        "answered": snapshot.answered,
        "problem": snapshot.problem,
        "firing": len(alarms.firing(snapshot)) if "alerts" in snapshot.items else None,
        look.kind: items,
    }
    stream.write(json.dumps(told, ensure_ascii=True) + "\n")
    stream.flush()
