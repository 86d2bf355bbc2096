"""Plan: what if hosts die, and how many more domains of a flavour fit?

``dies`` names hosts that die at the same time: their domains are placed on the others, as N+1 does for one host. A
flavour is ``memory`` and ``vcpus``; where they are not given, those that most domains have. It is expected to use the
share ``use`` of its vCPUs at its p95; where that is not given, as the domains here do (their median). How many fit is
counted host by host: memory is hard, and no host gets busier than ``ceiling``. Of these, so many are *safe* as leave
every host's death covered. ``more`` asks whether that number fits. See ``what_if`` and ``loss``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from statistics import median

from virtscope.analysis import evidence
from virtscope.analysis.finding import Figure, Finding, Severity
from virtscope.analysis.loss import Cover, Survivors
from virtscope.analysis.n_plus_one import PATIENCE
from virtscope.analysis.placement import Fleet, Host
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import Settings
from virtscope.analysis.standing import SETTINGS, Standing, needs, standing
from virtscope.analysis.tables import Tables
from virtscope.analysis.what_if import Flavour, how_many
from virtscope.errors import NotFound
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Listed, Number, Size, Text, Whole

NAME = "plan"
DIES: Setting[tuple[str, ...]] = Setting(
    "dies", Listed(Text("HOST")), (), "Hosts that die at the same time, by name or UUID; * and ? stand for anything."
)
MEMORY = Setting("memory", Size(0, 1 << 50), 0, "Memory of a new domain; 0 is what most domains have.")
VCPUS = Setting("vcpus", Whole(0, 4096), 0, "vCPUs of a new domain; 0 is what most domains of that memory have.")
USE = Setting("use", Number(0, 1, "of its vCPUs"), 0.0, "What it will use at its p95; 0 is what domains here do.")
MORE = Setting("more", Whole(0, 100_000), 0, "How many new domains are to come; 0 only asks how many could.")
CEILING = Setting("ceiling", Number(0.05, 10, "of the cores"), 0.8, "The highest load of a host that takes one.")
_DEAD = "dead"


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    if tables.domains.is_empty():
        return []
    found = standing(tables, settings)
    if found.unsized or not found.fleet.hosts or not found.fleet.domains:
        reason = "the memory of some domains is not known" if found.unsized else "no domain runs on a host that is up"
        return [evidence.insufficient(NAME, evidence.fleet(), evidence.evidence(tables, found.samples()), reason)]
    return [*_deaths(tables, settings, found), _fit(tables, settings, found)]


def _deaths(tables: Tables, settings: Settings, found: Standing) -> Iterator[Finding]:
    dying: set[str] = set()
    for glob in settings[DIES]:
        fits = {h.id for h in found.fleet.hosts if any(fnmatchcase(x, glob) for x in (h.id, found.host_name(h.id)))}
        if not fits:
            raise NotFound(f"no host that is up is named {glob!r}", "Hosts: virtscope list hosts.")
        dying |= fits
    if not dying:
        return
    gone = [host for host in found.fleet.hosts if host.id in dying]
    together = Host(
        _DEAD, sum(h.memory for h in gone), sum(h.cpu for h in gone), sum(h.huge for h in gone), accepts=False
    )
    bound = found.bound
    fleet = Fleet(
        (together, *(host for host in found.fleet.hosts if host.id not in dying)),
        tuple(
            replace(d, host=_DEAD if d.host in dying else d.host, movable=d.id not in bound)
            for d in found.fleet.domains
        ),
    )
    loss = Survivors(fleet, settings[PATIENCE]).without(_DEAD)
    names = ", ".join(sorted(found.host_name(host.id) for host in gone))
    covered = loss.cover is Cover.COVERED
    notes = [f"{found.domain_name(domain)} can run nowhere else" for domain in loss.blockers]
    notes += [f"{found.domain_name(d)} would run on {found.host_name(h)}" for d, h in (loss.where or {}).items()]
    reason = f"without {names} its domains {'fit' if covered else 'do not fit'} on the others: {loss.proof}"
    if loss.cover is Cover.NOT_DECIDED:
        reason = f"whether the domains of {names} fit on the others was not decided: {loss.proof}"
    yield Finding(
        NAME,
        evidence.host(found.hosts[gone[0].id]) if len(gone) == 1 else replace(evidence.fleet(), part=names),
        loss.cover,
        Severity.OK if covered else Severity.CRITICAL,
        reason,
        evidence.evidence(tables, found.samples(), (), notes),
        0.1 if loss.cover is Cover.NOT_DECIDED else round(0.5 + 0.5 * found.share_known(), 3) if covered else 1.0,
        (
            Figure("memory needed elsewhere", loss.needed, "bytes"),
            Figure("memory left on the others", loss.spare, "bytes"),
            Figure("highest load afterwards", loss.peak, "ratio"),
            Figure("domains that block", len(loss.blockers), ""),
        ),
    )


def _fit(tables: Tables, settings: Settings, found: Standing) -> Finding:
    memory, vcpus = _flavour(settings, found)
    use = settings[USE] or _usual(found)
    known = evidence.evidence(tables, found.samples())
    if use is None or not vcpus:
        reason = "the CPU use of no domain is known: tell what a new one will use (use=0.5)"
        return evidence.insufficient(NAME, evidence.fleet(), known, reason)
    fit = how_many(found.fleet, Flavour(memory, vcpus * use), settings[CEILING])
    wanted = settings[MORE]
    what = f"{vcpus} vCPUs ({use:.0%} used) and {memory / (1 << 30):.3g} GiB"
    reason = f"{fit.total} more domains of {what} fit, {fit.safe} with every host's death still covered"
    notes = [f"{number} on {found.host_name(host)}" for host, number in fit.by_host.items()]
    verdict, severity = f"room for {fit.total}", Severity.OK if fit.safe else Severity.WARNING
    if wanted:
        verdict = "fit" if wanted <= fit.safe else "fit, but not safely" if wanted <= fit.total else "do not fit"
        severity = {"fit": Severity.OK, "do not fit": Severity.CRITICAL}.get(verdict, Severity.WARNING)
        reason = f"{wanted} are to come: {reason}"
    return Finding(
        NAME,
        evidence.fleet(),
        verdict,
        severity,
        reason,
        evidence.evidence(tables, found.samples(), (), notes),
        round(0.5 + 0.5 * found.share_known(), 3),
        (
            Figure("domains that fit", fit.total, ""),
            Figure("domains that fit safely", fit.safe, ""),
            Figure("memory of one", memory, "bytes"),
            Figure("vCPUs of one", vcpus, ""),
            Figure("CPU of one, p95", vcpus * use, "cores"),
        ),
    )


def _flavour(settings: Settings, found: Standing) -> tuple[int, int]:
    """Bytes and vCPUs of a new domain."""
    rows = list(found.domains.values())
    memory = settings[MEMORY] or Counter(row["memory"] for row in rows).most_common(1)[0][0]
    alike = [row for row in rows if row["memory"] == memory] or rows
    vcpus = settings[VCPUS] or Counter(row["vcpus"] or 0 for row in alike).most_common(1)[0][0]
    return memory, vcpus


def _usual(found: Standing) -> float | None:
    """What the domains here use of their vCPUs at their p95: the median."""
    shares = [
        found.fleet.domain[name].cpu / row["vcpus"]
        for name, row in found.domains.items()
        if row["vcpus"] and name not in found.unknown
    ]
    return median(shares) if shares else None


ANALYSIS = Analysis(
    NAME,
    "What if",
    "What if hosts die, and how many more domains of a flavour fit?",
    (*SETTINGS, DIES, MEMORY, VCPUS, USE, MORE, CEILING, PATIENCE),
    needs,
    _run,
    whole_fleet=True,
)
