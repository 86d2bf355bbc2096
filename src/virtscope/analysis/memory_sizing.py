"""Memory right-sizing: how much memory a domain needs.

The need is the most that its guest used in any step of the longest window there is, and a margin on top: 15 %, and
25 % where it swapped, for then it wanted more than it had. What the guest uses is what it cannot give to new programs
without swapping (*available* less *usable* of its balloon driver). The emulator's resident memory says nothing of that:
a guest gives back nothing that it once touched. Without the driver's figures the verdict is *insufficient data*,
whatever else is known; they take a ``period`` in ``<memballoon><stats>``, and ``virtscope doctor`` names the domains
without one.

What the guest's kernel keeps for itself is not in what it can use, so it is added: granted less *available*. The sum is
rounded up to whole ``round``, and never less than ``minimum-memory``. A domain that has more is *oversized*. It is
*undersized* where it needs more than it has, and has swapped or used the share ``cap`` of its memory.

Whether a guest ran out of memory, its host does not see; swapping comes first. A maximum and 15 % is not safe for ever:
on the Bitbrains trace a fifth of the machines exceeded it once in the two weeks that followed (``virtscope backtest``).
"""

from __future__ import annotations

import math
from dataclasses import replace
from shlex import quote

from virtscope.analysis import evidence
from virtscope.analysis.evidence import Row
from virtscope.analysis.finding import NOTHING, Evidence, Figure, Finding, Pointer, Severity
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import DAY, Settings, coverage, step, window
from virtscope.analysis.sizing import LEAST_SAMPLES
from virtscope.analysis.tables import Needs, Reduced, Tables
from virtscope.catalogue import Scope
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Number, Size, Whole

NAME = "memory-sizing"
WINDOW, STEP, COVERAGE = window(30 * DAY), step(), coverage(0.4)
SAMPLES = Setting("samples", Whole(1, 1_000_000), LEAST_SAMPLES, "The fewest steps that must be known.")
MARGIN = Setting("margin", Number(0, 5, "of the use"), 0.15, "What is put on top.")
PRESSED = Setting("margin-swapped", Number(0, 5, "of the use"), 0.25, "What is put on top where the guest swapped.")
SWAP = Setting(
    "swap", Number(0, 1e12, "bytes/s"), 4_096.0, "From this traffic with its swap in any step on a guest swapped."
)
CAP = Setting("cap", Number(0.1, 1, "of the memory"), 0.95, "From this share of its memory on it wants more.")
MINIMUM = Setting("minimum-memory", Size(1 << 20, 1 << 46), 512 << 20, "The least memory that a domain is left with.")
ROUND = Setting("round", Size(1 << 20, 1 << 40), 256 << 20, "Sizes are whole multiples of this.")
_GIB = float(1 << 30)


def _needs(settings: Settings) -> Needs:
    quantities = ("memory_used", "memory_used_ratio", "memory_current", "swap_in", "swap_out")
    return Needs(settings[WINDOW], settings[STEP], (Reduced(Scope.DOMAIN, quantities, (95.0,), ("memory_used",)),))


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    rows = tables.with_summary(Scope.DOMAIN, {"id": "domain"}).filter("active")
    return [_finding(tables, settings, row) for row in rows.to_dicts()]


def _finding(tables: Tables, settings: Settings, row: Row) -> Finding:
    subject, has, most = evidence.domain(row), row["memory"], row["memory_used.maximum"]
    found = evidence.evidence(
        tables, row["memory_used.samples"], (Pointer("memory_used", row["id"]), Pointer("swap_in", row["id"]))
    )
    doubt = evidence.thin(found, settings[COVERAGE], "the memory that its guest uses", settings[SAMPLES])
    if doubt := doubt or _doubt(has, most):
        return evidence.insufficient(NAME, subject, found, doubt)
    swap = max(row["swap_in.maximum"] or 0.0, row["swap_out.maximum"] or 0.0)
    swapped = swap >= settings[SWAP]
    margin, kept = settings[PRESSED if swapped else MARGIN], _kept(row)
    need = max(most * (1 + margin) + kept, settings[MINIMUM])
    fit = math.ceil(need / settings[ROUND]) * settings[ROUND]
    full = swapped or (row["memory_used_ratio.maximum"] or 0.0) >= settings[CAP]
    verdict = "undersized" if fit > has and full else "oversized" if fit < has else NOTHING
    fit = has if verdict == NOTHING else fit
    reason = (
        f"its guest used {most / _GIB:.2f} GiB at most{' and swapped' if swapped else ''}; with {margin:.0%} on top "
    )
    reason += (
        f"{'it suits its' if verdict == NOTHING else f'that takes {fit / _GIB:.2f} GiB, it has'} {has / _GIB:.2f} GiB"
    )
    return Finding(
        NAME,
        subject,
        verdict,
        {"undersized": Severity.WARNING, "oversized": Severity.INFO}.get(verdict, Severity.OK),
        reason,
        _noted(found, row),
        evidence.confidence(found, abs(fit - has) / has if verdict != NOTHING else 1 - min(need / has, 1.0)),
        (
            Figure("memory", has, "bytes"),
            Figure("memory needed", fit, "bytes"),
            Figure("memory used, most in a step", most, "bytes"),
            Figure("memory used, p95", row["memory_used.p95"], "bytes"),
            Figure("kept by the guest's kernel", kept, "bytes"),
            Figure("swap traffic, most in a step", swap if row["swap_in.samples"] else None, "bytes/s"),
        ),
        None if verdict == NOTHING else {"bytes": float(has - fit)},
        "" if verdict == NOTHING else _action(row, fit),
    )


def _doubt(has: int | None, most: float | None) -> str | None:
    """Why the figures are not to be believed; None where they are."""
    if not has:
        return "its XML does not tell how much memory it has"
    if not most:
        return "its guest is said to use no memory at all"
    if most > 1.05 * has:
        return f"its guest is said to use {most / _GIB:.2f} GiB of {has / _GIB:.2f} GiB"
    return None


def _kept(row: Row) -> float:
    """What the guest's kernel keeps for itself, bytes; 0 where that is not known."""
    ratio, granted = row["memory_used_ratio.maximum"], row["memory_current.average"]
    if not ratio or granted is None:
        return 0.0
    return float(max(granted - row["memory_used.maximum"] / ratio, 0.0))


def _noted(found: Evidence, row: Row) -> Evidence:
    notes = []
    if row["passthrough"]:
        notes.append("it has devices of the host: all of its memory is pinned, and a balloon frees none")
    if row["hugepages"]:
        notes.append("its memory is huge pages: what it no longer takes, other domains with huge pages can have")
    if row["flavor"] is not None:
        notes.append("OpenStack manages it: resize it to another flavor")
    return replace(found, notes=tuple(notes))


def _action(row: Row, fit: int) -> str:
    """What sets its memory from the next start on. virsh takes KiB."""
    if row["flavor"] is not None:
        return ""  # nova would set it back
    domain, size = quote(row["id"]), fit // 1024
    return f"virsh setmaxmem {domain} {size} --config && virsh setmem {domain} {size} --config"


ANALYSIS = Analysis(
    NAME,
    "Memory right-sizing",
    "Which domains have more memory than they need, and which have too little?",
    (WINDOW, STEP, COVERAGE, SAMPLES, MARGIN, PRESSED, SWAP, CAP, MINIMUM, ROUND),
    _needs,
    _run,
    own_subject_only=True,
)
