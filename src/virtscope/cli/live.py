"""``virtscope top``: with a screen, or without one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from virtscope.cli import output
from virtscope.cli.formats import Format
from virtscope.cli.source import Source
from virtscope.errors import BadInput, VirtscopeError
from virtscope.top.snapshot import Listed
from virtscope.top.view import VIEWS, Look


@dataclass(frozen=True, slots=True)
class Rounds:
    """What is written where there is no screen."""

    count: int | None
    """None: until interrupted."""
    form: Format
    file: Path | None
    """Where CSV goes."""


def run(source: Source, kind: Listed, search: str, sort_by: str, interval: float, rounds: Rounds | None) -> None:
    """Show the fleet on the screen, or write rounds of it.

    Raises:
        BadInput: the search or the column makes no sense, or the file cannot be written.
        ServerError: there was no answer to the first question.
        VirtscopeError: the library for screens is not installed.
    """
    look = _sorted(kind, search, sort_by)
    if rounds is not None:
        from virtscope.top import batch

        batch.run(source, output.console(rounds.form), look, interval, rounds.count, rounds.form, rounds.file)
        return
    try:
        from virtscope.top import app
    except ModuleNotFoundError as missing:
        raise VirtscopeError(
            f"the screen needs the library {missing.name!r}, which is not installed",
            "Install it: pip install 'virtscope[top]'. Without it: virtscope top --batch.",
        ) from None
    app.run(source, interval, look)


def _sorted(kind: Listed, search: str, sort_by: str) -> Look:
    shown = VIEWS[kind]
    if not sort_by:
        return Look(kind, search, shown.order, descending=True)
    wanted = sort_by.removeprefix("-").upper().replace("_", " ")
    column = next((one for one in shown.columns if one.title == wanted), None)
    if column is None:
        titles = ", ".join(one.title.lower().replace(" ", "_") for one in shown.columns)
        raise BadInput(f"cannot sort by {sort_by!r}: there is no such column", f"There are: {titles}.")
    return Look(kind, search, column.title, descending=column.is_number != sort_by.startswith("-"))
