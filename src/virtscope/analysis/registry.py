"""Which analyses there are. Each is a module of this package with an ``ANALYSIS``; adding one is adding its name here.

A module is loaded when it is first asked for: it brings polars with it, and some bring solvers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeAlias

from virtscope.analysis.settings import (
    COMMON,
    EXCLUDE,
    EXCLUDE_LABELS,
    EXCLUDE_PROJECTS,
    MAINTENANCE,
    Settings,
    read,
)
from virtscope.catalogue import Scope
from virtscope.errors import BadInput, NotFound
from virtscope.settings.declaration import Setting

if TYPE_CHECKING:
    from virtscope.analysis.finding import Finding
    from virtscope.analysis.tables import Needs, Tables

Run: TypeAlias = "Callable[[Tables, Settings], list[Finding]]"
"""A pure function: no clock, no I/O. It answers a finding for each subject, whatever the verdict is."""

NAMES = (
    *("contention", "noisy-neighbour", "idle", "powered-off", "cpu-sizing", "memory-sizing", "reclaim"),
    *("disk", "time-to-full", "headroom", "n-plus-one", "rebalance", "consolidation", "plan"),
    *("anomalies", "change-correlation", "showback", "filter-audit"),
)
"""In the order in which people read of them."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis."""

    name: str
    """As in ``virtscope analyze NAME``; its module has ``_`` for ``-``."""
    title: str
    help: str
    """One line: the question that it answers."""
    settings: tuple[Setting[Any], ...]
    """Its own; every analysis knows COMMON too."""
    needs: Callable[[Settings], Needs]
    run: Run
    whole_fleet: bool = False
    """It must see every host and domain, whatever it is asked about: findings are narrowed afterwards."""
    own_subject_only: bool = False
    """Its findings on a domain tell of nothing but that domain: whoever sees only some projects may read them."""
    apart: Scope | None = None
    """What it looks at one by one: domains, or hosts with theirs. A large fleet is then given to it in pieces, so that
    the series of all of it are never in memory at once. None is all together."""

    @property
    def declared(self) -> tuple[Setting[Any], ...]:
        """All settings that it knows."""
        return (*self.settings, *COMMON)

    def read(self, given: Mapping[str, str]) -> Settings:
        """Its settings; BadInput names one that makes no sense."""
        return read(self.name, self.declared, given)

    @property
    def method(self) -> str:
        """How it comes to its verdicts: its module's docstring."""
        return _module(self.name).__doc__ or ""


@cache
def find(name: str) -> Analysis:
    """The analysis of this name.

    Raises:
        NotFound: there is none.
        BadInput: what it needs is not installed.
    """
    if name not in NAMES:
        raise NotFound(f"no analysis {name!r}", f"There are: {', '.join(NAMES)}.")
    found: Analysis = _module(name).ANALYSIS
    return found


def every() -> list[Analysis]:
    """All analyses."""
    return [find(name) for name in NAMES]


def is_of_subject_only(name: str) -> bool:
    """Whether the findings of an analysis tell of nothing but their subject; not so where there is none of the name."""
    return name in NAMES and find(name).own_subject_only


def run(analysis: Analysis, tables: Tables, settings: Settings) -> list[Finding]:
    """The findings on these tables. Where there is nothing to look at, that is what the one finding says."""
    return run_in_pieces(analysis, [tables], settings)


def run_in_pieces(analysis: Analysis, pieces: Iterable[Tables], settings: Settings) -> list[Finding]:
    """The findings on all of these tables, one after another; at least one."""
    from dataclasses import replace

    from virtscope.analysis import evidence
    from virtscope.analysis.tables import Tables, finite, sound

    found: list[Finding] = []
    domains, left_out, hosts = 0, 0, set[str]()
    for tables in pieces:
        given = replace(
            marked(tables, settings),
            summaries={scope: sound(frame) for scope, frame in tables.summaries.items()},
            series={scope: finite(frame) for scope, frame in tables.series.items()},
        )
        found += analysis.run(given, settings)
        hosts |= set(tables.hosts["id"])
        domains, left_out = domains + tables.domains.height, left_out + tables.domains.height - given.subjects.height
        over = tables.over
    if found:
        return found
    reason = f"there was nothing to look at: {domains} domains on {len(hosts)} hosts are known"
    reason += f", and {left_out} of them are left out by the settings" if left_out else ""
    return [evidence.insufficient(analysis.name, evidence.fleet(), evidence.evidence(Tables(over), 0), reason)]


def marked(tables: Tables, settings: Settings) -> Tables:
    """The tables with what the settings leave out marked as such."""
    from dataclasses import replace

    import polars as pl

    def fits(globs: Sequence[str], *texts: str | None) -> bool:
        return any(fnmatchcase(text, glob) for glob in globs for text in texts if text)

    names, projects, labels = settings[EXCLUDE], settings[EXCLUDE_PROJECTS], settings[EXCLUDE_LABELS]
    columns = tables.domains.select("id", "name", "project", "project_id", "labels")
    excluded = [
        fits(names, id, name) or fits(projects, project, project_id) or fits(labels, *(own or ()))
        for id, name, project, project_id, own in columns.iter_rows()  # noqa: A001
    ]
    hosts = [
        fits(settings[MAINTENANCE], id, name)
        for id, name in tables.hosts.select("id", "name").iter_rows()  # noqa: A001
    ]
    return replace(
        tables,
        domains=tables.domains.with_columns(pl.Series("excluded", excluded, pl.Boolean)),
        hosts=tables.hosts.with_columns(pl.Series("maintenance", hosts, pl.Boolean)),
    )


def _module(name: str) -> Any:
    try:
        return import_module(f"virtscope.analysis.{name.replace('-', '_')}")
    except ModuleNotFoundError as error:
        raise BadInput(
            f"the analysis {name} needs {error.name}, which is not installed",
            "Install the extra 'analysis' where the server runs: pip install 'virtscope[server,analysis]'.",
        ) from None
