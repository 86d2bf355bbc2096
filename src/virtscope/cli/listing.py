"""Lists as people ask for them: searched, sorted, written, again and again where that is wanted."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console

from virtscope import text
from virtscope.catalogue import Unit
from virtscope.cli import output as out
from virtscope.cli.asked import Asked
from virtscope.cli.columns import Column
from virtscope.cli.source import Item
from virtscope.errors import BadInput, ServerError
from virtscope.search import Field, fields_of, matching, owned, parse
from virtscope.search.matching import ordered, sorting


@dataclass(frozen=True, slots=True)
class Chosen:
    """A search and an order that make sense."""

    test: Callable[[Mapping[str, object]], bool] | None
    order: tuple[Field, bool] | None
    needs_owner: bool
    """Whether a device's domain must be known."""

    def of(self, items: Sequence[Item], domains: Sequence[Item] = ()) -> list[Item]:
        """Those that are found, in their order."""
        found = owned(items, domains) if self.needs_owner else list(items)
        if self.test is not None:
            found = [item for item in found if self.test(item)]
        if self.order is not None:
            field, descending = self.order
            found = ordered(found, field.order or field.value, descending=descending)
        if self.needs_owner:
            for item in found:
                del item["owner"]
        return found


def chosen(asked: Asked, fields: Mapping[str, Field]) -> Chosen:
    """What somebody wants to see of things with these fields.

    Raises:
        BadInput: the search or the field to sort by makes no sense.
    """
    query = parse(asked.search)
    order = sorting(asked.sort_by, fields) if asked.sort_by else None
    test = None if query.is_empty else matching(query, fields)
    has_owner = any(field.is_of_owner for field in fields.values())
    return Chosen(test, order, has_owner and (test is not None or order is not None))


def fields_by(columns: Sequence[Column]) -> dict[str, Field]:
    """The fields of things of which only their columns are known: texts, all of them names, and numbers."""
    return {
        (name := column.title.lower().replace(" ", "_")): Field(
            name,
            column.value,
            f"{column.title}.",
            Unit.COUNT if column.is_number else None,
            is_name=not column.is_number,
        )
        for column in columns
    }


def write(ask: Callable[[], Sequence[Item]], columns: Sequence[Column], asked: Asked, kind: str = "") -> None:
    """Write a list as it is wanted.

    Args:
        ask: the items, asked for anew each time.
        columns: what is shown of them; without a kind they are also what is searched and sorted by.
        asked: how it is wanted.
        kind: what the search language knows them as.

    Raises:
        BadInput: the search or the field to sort by makes no sense.
    """
    wanted = chosen(asked, fleet_fields(kind, columns) if kind else fields_by(columns))
    headers = not asked.no_headers
    again(asked, lambda console: out.write(console, wanted.of(ask()), columns, asked.output, headers=headers))


def fleet_fields(kind: str, columns: Sequence[Column]) -> Mapping[str, Field]:
    """The fields of what the fleet has, with the titles of its columns."""
    known = fields_of(kind)
    return {**fields_by([column for column in columns if not _is_known(column, known)]), **known}


def _is_known(column: Column, known: Mapping[str, Field]) -> bool:
    return column.title.lower().replace(" ", "_") in known


def again(asked: Asked, draw: Callable[[Console], None]) -> None:
    """Draw once; or, where that is wanted, anew at every interval. A server that is away for a while is told of."""
    console = out.console(asked.output)
    if not asked.watch:
        draw(console)
        return
    if asked.output.word == "jsonpath":
        raise BadInput("jsonpath answers once", "Leave --watch out, or take -o json.")
    while True:
        began = time.monotonic()
        if console.is_terminal:
            console.clear()
        try:
            draw(console)
        except ServerError as error:
            sys.stderr.write(f"{text.plain(str(error))}\n")
        console.file.flush()
        time.sleep(max(0.0, began + asked.interval - time.monotonic()))
