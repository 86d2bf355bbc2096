"""Rebalance: the live migrations that make the busiest host least busy, if any are worth it.

A host's load is the sum of the p95 of the cores that its domains wanted over the window, next to its CPUs; no instant
moves anybody. The imbalance is the highest load less the lowest. Nothing is proposed unless it was above ``imbalance``
in each of the last ``rounds`` hours, and unless the steps, with all that stood in their way, lower the highest load by
the part ``gain``. *No beneficial migration* is an answer.

First the least peak z that there is, then the fewest migrations with no host above 1.05 z; both are proven by CP-SAT or
by a bound, or the finding says how far from the bound they may be. Steps are in an order that never asks too much of a
host's memory on the way. Domains that are pinned, have devices passed through or are left out stay; groups that must be
apart or together are respected. See ``balance``, ``solver`` and ``moves``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from shlex import quote

import polars as pl

from virtscope.analysis import evidence
from virtscope.analysis.balance import Rebalance, Rules, rebalance
from virtscope.analysis.finding import NOTHING, Figure, Finding, Pointer, Severity
from virtscope.analysis.moves import Step
from virtscope.analysis.placement import loads
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import HOUR, Settings
from virtscope.analysis.standing import COVERAGE, SETTINGS, Standing, needs, standing
from virtscope.analysis.tables import Needs, Steps, Tables
from virtscope.catalogue import Scope
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Duration, Number, Whole

NAME = "rebalance"
IMBALANCE = Setting("imbalance", Number(0, 10, "of the load"), 0.3, "From this imbalance on it is worth a look.")
ROUNDS = Setting("rounds", Whole(1, 48), 3, "For so many hours on end the imbalance must be above.")
GAIN = Setting("gain", Number(0, 1, "of the highest load"), 0.1, "The least part by which it must be lowered.")
PATIENCE = Setting("patience", Duration(0.1, 600), 20.0, "How long the solver may take for each of its two stages.")
LEAST_KNOWN = 0.9
"""The share of domains whose CPU use must be known."""


def _needs(settings: Settings) -> Needs:
    return needs(settings, [Steps(Scope.DOMAIN, ("cpu_demand",), HOUR, settings[ROUNDS] * HOUR)])


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    if tables.domains.is_empty():
        return []
    found = standing(tables, settings)
    subject, known = evidence.fleet(), evidence.evidence(tables, found.samples())
    if len(found.fleet.hosts) < 2:
        reason = f"{len(found.fleet.hosts)} hosts of known size are up: there is nothing to balance between"
        return [evidence.insufficient(NAME, subject, known, reason)]
    if found.unsized or found.share_known() < LEAST_KNOWN:
        thin = f"the CPU use of {found.share_known():.0%} of the domains is known, {LEAST_KNOWN:.0%} are needed"
        reason = "the memory of some domains is not known" if found.unsized else thin
        return [evidence.insufficient(NAME, subject, known, reason)]
    rounds = _rounds(tables, settings, found)
    if len(rounds) < settings[ROUNDS]:
        reason = f"the load of the hosts is known in {len(rounds)} of the last {settings[ROUNDS]} hours"
        return [evidence.insufficient(NAME, subject, known, reason)]
    rules = Rules(settings[IMBALANCE], settings[ROUNDS], settings[GAIN], settings[PATIENCE])
    result = rebalance(found.fleet, rounds, rules)
    steps = result.order.steps if result.order else ()
    return [_whole(tables, found, result), *_steps(tables, found, steps)]


def _rounds(tables: Tables, settings: Settings, found: Standing) -> list[float]:
    """The imbalance of each hour, the newest last; an hour of which too little is known is left out."""
    homes = pl.DataFrame(
        {"domain": [d.id for d in found.fleet.domains], "home": [d.host for d in found.fleet.domains]},
        schema={"domain": pl.String, "home": pl.String},
    )
    sizes = {host.id: host.cpu for host in found.fleet.hosts if host.accepts}
    hours = (
        tables.series[Scope.DOMAIN]
        .drop_nulls("cpu_demand")
        .join(homes, on="domain")
        .group_by("time", "home")
        .agg(pl.col("cpu_demand").sum(), pl.len().alias("known"))
        .sort("time")
    )
    imbalances = []
    for (_,), rows in hours.group_by("time", maintain_order=True):
        if rows["known"].sum() < settings[COVERAGE] * len(found.fleet.domains):
            continue
        cores = dict(zip(rows["home"], rows["cpu_demand"], strict=True))
        loads = [cores.get(host, 0.0) / cpu for host, cpu in sizes.items()]
        imbalances.append(max(loads) - min(loads) if len(loads) > 1 else 0.0)
    return imbalances[-settings[ROUNDS] :]


def _whole(tables: Tables, found: Standing, result: Rebalance) -> Finding:
    steps = result.order.steps if result.order else ()
    notes = [f"{at}. {_told(found, step)}" for at, step in enumerate(steps, 1)]
    if steps and result.peak_proven:
        notes.append("no placement has a highest load that is lower by more than half a percent, except for rounding")
    if steps and result.moves_proven:
        notes.append("no fewer migrations lead there")
    elif steps:
        notes.append(f"fewer than {result.moves_bound} migrations cannot lead there")
    return Finding(
        NAME,
        evidence.fleet(),
        "unbalanced" if steps else NOTHING,
        Severity.WARNING if steps else Severity.OK,
        result.reason,
        evidence.evidence(tables, found.samples(), (), notes),
        round(found.share_known() * (1.0 if result.peak_proven or not steps else 0.8), 3),
        (
            Figure("highest load", result.before, "ratio"),
            Figure("highest load afterwards", result.after, "ratio"),
            Figure("highest load, no less is possible", result.peak_bound if steps else None, "ratio"),
            Figure("migrations", len(steps), ""),
            Figure("migrations, no fewer are possible", result.moves_bound if steps else None, ""),
        ),
    )


def _steps(tables: Tables, found: Standing, steps: Sequence[Step]) -> Iterator[Finding]:
    """A finding for each step, with the loads of both hosts before it and after it."""
    where = dict(found.fleet.now)
    for number, step in enumerate(steps, 1):
        before = loads(found.fleet, where)
        where[step.domain] = step.target
        yield _step(tables, found, number, step, before, loads(found.fleet, where))


def _step(  # a step, and what it changes
    tables: Tables, found: Standing, number: int, step: Step, before: Mapping[str, float], after: Mapping[str, float]
) -> Finding:
    row = found.domains[step.domain]
    hosts = [Pointer("cpu_ratio", step.source), Pointer("cpu_ratio", step.target)]
    return Finding(
        NAME,
        evidence.domain(row, part=f"step {number}"),
        "make room" if step.parked else "migrate",
        Severity.INFO,
        _told(found, step),
        evidence.evidence(tables, row["cpu_demand.samples"], hosts),
        round(found.share_known(), 3),
        (
            Figure("step", number, ""),
            Figure("CPU wanted, p95", found.fleet.domain[step.domain].cpu, "cores"),
            Figure("memory", row["memory"], "bytes"),
            Figure("load of the source", before[step.source], "ratio"),
            Figure("load of the source afterwards", after[step.source], "ratio"),
            Figure("load of the target", before[step.target], "ratio"),
            Figure("load of the target afterwards", after[step.target], "ratio"),
        ),
        None,
        migration(row["id"], found.host_name(step.target)),
    )


def migration(domain: str, target: str) -> str:
    """The command that moves a domain, by its UUID, to a host by name."""
    return f"virsh migrate --live --verbose {quote(domain)} {quote(f'qemu+ssh://{target}/system')}"


def _told(found: Standing, step: Step) -> str:
    why = ", for a time, to make room" if step.parked else ""
    name, source = found.domain_name(step.domain), found.host_name(step.source)
    return f"{name} from {source} to {found.host_name(step.target)}{why}"


ANALYSIS = Analysis(
    NAME,
    "Rebalance",
    "Which live migrations would make the busiest host less busy, if any are worth it?",
    (*SETTINGS, IMBALANCE, ROUNDS, GAIN, PATIENCE),
    _needs,
    _run,
    whole_fleet=True,
)
