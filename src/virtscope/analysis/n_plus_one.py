"""N+1: can the fleet do without each of its hosts?

For each host: its domains are placed on the others, which keep their own. Memory is hard: a host never holds more than
it has, less the share ``reserve``. CPU is soft: the finding tells how busy the busiest host would be, by the p95 of the
cores that domains wanted over the window, and warns above ``busy``. A domain that is pinned to the host's CPUs or has a
device of it passed through runs nowhere else and is named as a blocker, as is one that is too large for all others.

*covered* rests on a placement that was found; *not covered* on a blocker, on a sum, or on the solver's proof; where
neither was reached in time it says *not decided*. See ``loss``.
"""

from __future__ import annotations

from dataclasses import replace

from virtscope.analysis import evidence
from virtscope.analysis.finding import NOTHING, Figure, Finding, Severity
from virtscope.analysis.loss import Cover, Loss, Survivors
from virtscope.analysis.placement import Fleet
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import Settings
from virtscope.analysis.standing import SETTINGS, Standing, needs, standing
from virtscope.analysis.tables import Tables
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Duration, Number

NAME = "n-plus-one"
BUSY = Setting("busy", Number(0, 10, "of the cores"), 0.9, "From this load of a host afterwards on it is a warning.")
PATIENCE = Setting("patience", Duration(0.1, 600), 5.0, "How long the solver may take for one host.")
_MOST_NAMED = 20


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    found = standing(tables, settings)
    # Whether one has to move is asked here of a host that is dead: what is left out of verdicts has to run, too.
    bound = found.bound
    whole = Fleet(found.fleet.hosts, tuple(replace(d, movable=d.id not in bound) for d in found.fleet.domains))
    survivors = Survivors(whole, settings[PATIENCE])
    unsized = {found.domains[name]["host"] for name in found.unsized}
    return [
        *(_unknown(tables, found, host, "it is not up, or its size is not known") for host in found.left_out),
        *(_unknown(tables, found, host.id, "the memory of a domain on it is not known")
          for host in whole.hosts if host.id in unsized),
        *(_finding(tables, settings, found, survivors.without(host.id))
          for host in whole.hosts if host.id not in unsized),
    ]  # fmt: skip


def _unknown(tables: Tables, found: Standing, host: str, reason: str) -> Finding:
    return evidence.insufficient(NAME, evidence.host(found.hosts[host]), evidence.evidence(tables, 0), reason)


def _finding(tables: Tables, settings: Settings, found: Standing, loss: Loss) -> Finding:
    name, subject = found.host_name(loss.host), evidence.host(found.hosts[loss.host])
    here = [domain for domain in found.fleet.domains if domain.host == loss.host]
    notes = [f"{found.domain_name(domain)} can run nowhere else" for domain in loss.blockers[:_MOST_NAMED]]
    if loss.where is not None:
        where = list(loss.where.items())[:_MOST_NAMED]
        notes += [f"{found.domain_name(domain)} would run on {found.host_name(host)}" for domain, host in where]
    if found.unknown:
        notes.append(f"{len(found.unknown)} domains whose CPU use is not known count with all their vCPUs")
    known = evidence.evidence(tables, found.samples(), (), notes)
    figures = (
        Figure("domains", len(here), ""),
        Figure("memory needed elsewhere", loss.needed, "bytes"),
        Figure("memory left on the others", loss.spare, "bytes"),
        Figure("highest load afterwards", loss.peak, "ratio"),
        Figure("domains that block", len(loss.blockers), ""),
    )
    if not here:
        return Finding(NAME, subject, NOTHING, Severity.OK, f"no domain runs on {name}", known, 1.0, figures)
    if loss.cover is Cover.COVERED:
        busy = (loss.peak or 0.0) >= settings[BUSY]
        reason = f"without {name} its {len(here)} domains fit on the others; the busiest would be at {loss.peak:.0%}"
        severity = Severity.WARNING if busy else Severity.OK
        verdict = "covered, but busy" if busy else NOTHING
        # Memory is certain; how busy hosts would be is as certain as the domains' CPU is known.
        confidence = round(0.5 + 0.5 * found.share_known(), 3)
        return Finding(NAME, subject, verdict, severity, reason, known, confidence, figures)
    if loss.cover is Cover.NOT_DECIDED:
        reason = f"whether the domains of {name} fit on the others was not decided: {loss.proof}"
        return Finding(NAME, subject, loss.cover, Severity.WARNING, reason, known, 0.1, figures)
    why = f"{len(loss.blockers)} of them can run nowhere else" if loss.blockers else loss.proof
    reason = f"without {name} its {len(here)} domains do not fit on the others: {why}"
    return Finding(NAME, subject, loss.cover, Severity.CRITICAL, reason, known, 1.0, figures)


ANALYSIS = Analysis(
    NAME,
    "N+1",
    "For each host: if it dies, can its domains run on the others?",
    (*SETTINGS, BUSY, PATIENCE),
    needs,
    _run,
    whole_fleet=True,
)
