"""Consolidation: how many hosts could be freed, and by which steps.

All domains are placed on the fewest hosts that hold them: memory is hard, and no host gets busier than ``ceiling``, by
the p95 of the cores that its domains wanted over the window. Of the hosts that would be empty the share ``keep`` of the
fleet, rounded up and one at the least, stays on as a reserve; the rest can go. The steps never ask too much of a host's
memory on the way. What is proven, and what bound stands where it is not, the finding says. See ``emptying``.
"""

from __future__ import annotations

from virtscope.analysis import emptying, evidence
from virtscope.analysis.finding import NOTHING, Figure, Finding, Severity
from virtscope.analysis.rebalance import LEAST_KNOWN
from virtscope.analysis.registry import Analysis
from virtscope.analysis.settings import Settings
from virtscope.analysis.standing import SETTINGS, Standing, needs, standing
from virtscope.analysis.tables import Tables
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Duration, Number

NAME = "consolidation"
CEILING = Setting("ceiling", Number(0.05, 10, "of the cores"), 0.8, "The highest load of a host that is left.")
KEEP = Setting("keep", Number(0, 1, "of the hosts"), 0.1, "The share of hosts kept empty; one at the least.")
PATIENCE = Setting("patience", Duration(0.1, 600), 10.0, "How long the solver may take for each of its two stages.")


def _run(tables: Tables, settings: Settings) -> list[Finding]:
    if tables.domains.is_empty():
        return []
    found = standing(tables, settings)
    known = evidence.evidence(tables, found.samples())
    if found.unsized or not found.fleet.domains or found.share_known() < LEAST_KNOWN:
        thin = f"the CPU use of {found.share_known():.0%} of the domains is known, {LEAST_KNOWN:.0%} are needed"
        reason = "the memory of some domains is not known" if found.unsized else thin
        return [evidence.insufficient(NAME, evidence.fleet(), known, reason)]
    rules = emptying.Rules(settings[CEILING], settings[KEEP], settings[PATIENCE])
    return [_finding(tables, settings, found, emptying.consolidation(found.fleet, rules))]


def _finding(tables: Tables, settings: Settings, found: Standing, result: emptying.Consolidation) -> Finding:
    freed = [found.host_name(host) for host in result.freed]
    steps = [
        f"{at}. {found.domain_name(step.domain)} from {found.host_name(step.source)} to {found.host_name(step.target)}"
        for at, step in enumerate(result.order.steps, 1)
    ]
    hold = f"{result.needed} of {result.hosts} hosts hold all domains at a load of {settings[CEILING]:.0%} at the most"
    reason = f"{hold}; {result.reserve} more stay in reserve"
    reason += f", {len(freed)} can go: {', '.join(freed)}" if freed else ", so that none can go"
    sure = "no fewer hosts would do" if result.proven else f"fewer than {result.bound} hosts would not do"
    return Finding(
        NAME,
        evidence.fleet(),
        "hosts can be freed" if freed else NOTHING,
        Severity.INFO if freed else Severity.OK,
        reason,
        evidence.evidence(tables, found.samples(), (), [sure, *steps]),
        round(found.share_known() * (1.0 if freed or result.proven else 0.5), 3),
        (
            Figure("hosts", result.hosts, ""),
            Figure("hosts needed", result.needed, ""),
            Figure("hosts needed, no fewer are possible", result.bound, ""),
            Figure("hosts in reserve", result.reserve, ""),
            Figure("hosts that can go", len(freed), ""),
            Figure("migrations", len(result.order.steps), ""),
        ),
        {"hosts": float(len(freed))} if freed else None,
    )


ANALYSIS = Analysis(
    NAME,
    "Consolidation",
    "How many hosts could be freed, with some kept in reserve?",
    (*SETTINGS, CEILING, KEEP, PATIENCE),
    needs,
    _run,
    whole_fleet=True,
)
