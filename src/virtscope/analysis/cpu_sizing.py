"""CPU right-sizing: how many vCPUs a domain needs.

The need is the percentile ``percentile`` (99.5) of the cores that it used in steps of 5 minutes, and a margin (20 %) on
top; the vCPUs are the fewest whole ones that hold it, never fewer than ``minimum-vcpus``. A domain that has more is
*oversized*. It rests on 14 days and 100 steps at least: a shorter past does not know its weekends.

What a domain used cannot tell that it wanted more. So its *demand* is what it used and what it waited for (steal);
where the percentile of the demand reaches the share ``cap`` of its vCPUs it is *undersized*, and the margin is put on
its demand. A domain that waits much is short of a host's CPU rather than of vCPUs: that is said in a note, and found by
``contention``.

A running domain always uses some CPU: a counter that never moves, or tells of far more than all vCPUs, makes no sense,
and the verdict is *insufficient data*.

What the policy keeps and risks, next to others, was tried on a month of 416 real machines: see ``sizing``, and
``virtscope backtest``.
"""

from __future__ import annotations

from shlex import quote

from virtscope.analysis import evidence
from virtscope.analysis.evidence import Row
from virtscope.analysis.finding import NOTHING, Evidence, Figure, Finding, Pointer, Severity
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import DAY, Settings, coverage, step, window
from virtscope.analysis.sizing import LEAST_SAMPLES, whole_vcpus
from virtscope.analysis.tables import Needs, Reduced, Tables, percentile
from virtscope.catalogue import Scope
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Number, Whole

NAME = "cpu-sizing"
WINDOW, STEP, COVERAGE = window(14 * DAY), step(), coverage()
SAMPLES = Setting("samples", Whole(1, 1_000_000), LEAST_SAMPLES, "The fewest steps that must be known.")
PERCENTILE = Setting("percentile", Number(50, 100, "%"), 99.5, "Which percentile of its use it must hold.")
MARGIN = Setting("margin", Number(0, 5, "of the use"), 0.2, "What is put on top.")
CAP = Setting("cap", Number(0.1, 1, "of the vCPUs"), 0.95, "From this share of its vCPUs on it wants more.")
MINIMUM = Setting("minimum-vcpus", Whole(1, 4096), 1, "The fewest vCPUs that a domain is left with.")
STEALING = 0.05
"""From this steal on, a note says that the domain waits."""


def _needs(settings: Settings) -> Needs:
    ranked = ("cpu_cores", "cpu_demand")
    reduced = Reduced(Scope.DOMAIN, (*ranked, "steal_ratio"), (settings[PERCENTILE],), ranked)
    return Needs(settings[WINDOW], settings[STEP], (reduced,))


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    rows = tables.with_summary(Scope.DOMAIN, {"id": "domain"}).filter("active")
    return [_finding(tables, settings, row) for row in rows.to_dicts()]


def _finding(tables: Tables, settings: Settings, row: Row) -> Finding:
    subject, has = evidence.domain(row), row["vcpus"]
    use = row[percentile("cpu_cores", settings[PERCENTILE])]
    demand = row[percentile("cpu_demand", settings[PERCENTILE])]
    found = evidence.evidence(
        tables, row["cpu_cores.samples"], (Pointer("cpu_cores", row["id"]), Pointer("steal_ratio", row["id"]))
    )
    doubt = evidence.thin(found, settings[COVERAGE], "its CPU use", settings[SAMPLES]) or _doubt(has, row)
    if doubt:
        return evidence.insufficient(NAME, subject, found, doubt)
    wanted = use if demand is None else demand
    wants_more = wanted >= settings[CAP] * has
    fit = max(whole_vcpus((wanted if wants_more else use) * (1 + settings[MARGIN])), settings[MINIMUM])
    verdict = "undersized" if wants_more and fit > has else "oversized" if fit < has and not wants_more else NOTHING
    basis = f"{wanted:.2f} cores used or waited for" if wants_more else f"{use:.2f} cores used"
    basis += f" ({settings[PERCENTILE]:g}th percentile)"
    if verdict == NOTHING:
        fit, reason = has, f"{basis} suit its {has} vCPUs"
    else:
        reason = f"{basis} and {settings[MARGIN]:.0%} on top take {fit} vCPUs, it has {has}"
    margin = abs(fit - has) / has if verdict != NOTHING else 1 - min(use / has, 1.0)
    return Finding(
        NAME,
        subject,
        verdict,
        {"undersized": Severity.WARNING, "oversized": Severity.INFO}.get(verdict, Severity.OK),
        reason,
        _noted(found, row),
        evidence.confidence(found, margin),
        (
            Figure("vCPUs", has, ""),
            Figure("vCPUs needed", fit, ""),
            Figure(f"CPU used, p{settings[PERCENTILE]:g}", use, "cores"),
            Figure(f"CPU wanted, p{settings[PERCENTILE]:g}", demand, "cores"),
            Figure("CPU used, average", row["cpu_cores.average"], "cores"),
            Figure("CPU used, most in a step", row["cpu_cores.maximum"], "cores"),
            Figure("steal, average", row["steal_ratio.average"], "ratio"),
        ),
        None if verdict == NOTHING else {"vcpus": float(has - fit)},
        "" if verdict == NOTHING else _action(row, fit),
    )


def _doubt(has: int | None, row: Row) -> str | None:
    """Why the figures are not to be believed; None where they are."""
    if not has:
        return "its XML does not tell how many vCPUs it has"
    if not row["cpu_cores.maximum"]:
        return "its CPU counter never moved, which a running domain's does"
    if row["cpu_cores.average"] > 2 * has + 2:
        return f"it is said to have used {row['cpu_cores.average']:.1f} cores on average with {has} vCPUs"
    return None


def _noted(found: Evidence, row: Row) -> Evidence:
    notes = []
    if (row["steal_ratio.average"] or 0.0) >= STEALING:
        notes.append(f"it waits {row['steal_ratio.average']:.1%} of the time: its host is short of CPU")
    if row["pinned"]:
        notes.append("its vCPUs are pinned: change the pins with them")
    if row["flavor"] is not None:
        notes.append("OpenStack manages it: resize it to another flavor")
    return Evidence(found.start, found.end, found.samples, found.coverage, found.series, tuple(notes))


def _action(row: Row, fit: int) -> str:
    """What sets its vCPUs from the next start on."""
    if row["flavor"] is not None:
        return ""  # nova would set them back
    domain = quote(row["id"])
    command = f"virsh setvcpus {domain} {fit} --config"
    if fit > (row["vcpus_maximum"] or 0):
        return f"virsh setvcpus {domain} {fit} --maximum --config && {command}"
    return command


ANALYSIS = Analysis(
    NAME,
    "CPU right-sizing",
    "Which domains have more vCPUs than they need, and which have too few?",
    (WINDOW, STEP, COVERAGE, SAMPLES, PERCENTILE, MARGIN, CAP, MINIMUM),
    _needs,
    _run,
    own_subject_only=True,
)
