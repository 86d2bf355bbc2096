"""Who runs and does nothing: known answers, and what the Bitbrains trace makes of them."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from tests.analysis.fleet import analysed, domain, fleet, summary
from tests.analysis.traces import bitbrains
from virtscope.analysis import idle, registry
from virtscope.analysis.finding import INSUFFICIENT, NOTHING
from virtscope.analysis.tables import Tables
from virtscope.catalogue import Scope

STEPS = 14 * 288
QUIET = {"cpu_ratio": 0.01, "net_receive": 10.0, "net_transmit": 10.0, "disk_read": 0.0, "disk_write": 100.0}


def used(domain: str, known: int = STEPS, under: int = STEPS, **p95: float | None) -> dict[str, Any]:
    row: dict[str, Any] = {"domain": domain, "quiet.known": known, "quiet.under": under}
    for name, value in (QUIET | p95).items():
        row |= summary(name, known if value is not None else 0, p95=value)
    return row


def tables(row: dict[str, Any], *, nics: bool = True, disks: bool = True, **of_domain: Any) -> Tables:
    owner = pl.DataFrame({"domain": [row["domain"]]})
    return fleet(
        [domain(row["domain"], **of_domain)],
        summaries={Scope.DOMAIN: [row]},
        steps=STEPS,
        nics=owner if nics else owner.clear(),
        disks=owner if disks else owner.clear(),
    )


@pytest.mark.parametrize(
    ("under", "verdict"), [(STEPS, "idle"), (round(STEPS * 0.95) + 1, "idle"), (round(STEPS * 0.95) - 1, NOTHING)]
)
def test_all_must_be_quiet_in_the_same_steps(under: int, verdict: str) -> None:
    found = analysed("idle", tables(used("a", under=under)))["a"]
    assert found.verdict == verdict
    if verdict == "idle":
        assert found.effect == {"vcpus": 2, "bytes": 4 << 30}
        assert found.action == "virsh shutdown a"


def test_without_an_interface_the_rest_decides() -> None:
    row = used("a", known=0, under=0, net_receive=None, net_transmit=None)
    for name in ("cpu_ratio", "disk_read", "disk_write"):
        row[f"{name}.samples"] = STEPS
    assert analysed("idle", tables(row, nics=False))["a"].verdict == "idle"
    assert analysed("idle", tables({**row, "disk_write.p95": 1e6}, nics=False))["a"].verdict == NOTHING
    # It has an interface, and nobody tells what goes through it: that is not 0.
    assert analysed("idle", tables(row))["a"].verdict == INSUFFICIENT


@pytest.mark.parametrize("known", [0, 144, STEPS // 2 - 1])
def test_half_a_day_is_not_enough(known: int) -> None:
    found = analysed("idle", tables(used("a", known=known, under=known)))["a"]
    assert (found.verdict, found.confidence) == (INSUFFICIENT, 0.0)


def test_what_is_off_is_not_idle() -> None:
    [found] = analysed("idle", tables(used("a"), active=False, state="shut off")).values()
    assert (found.verdict, found.subject.kind) == (INSUFFICIENT, "fleet")


def test_a_command_quotes_what_a_tenant_chose() -> None:
    assert analysed("idle", tables(used("a; rm -rf /")))["a; rm -rf /"].action == "virsh shutdown 'a; rm -rf /'"


def test_on_real_machines_cpu_alone_is_no_measure() -> None:
    limits = idle.limits(registry.find("idle").read({}))
    columns = {
        "cpu_ratio": pl.col("cpu_usage_pct") / 100,
        "net_receive": pl.col("net_receive_kb_s") * 1000,
        "net_transmit": pl.col("net_transmit_kb_s") * 1000,
        "disk_read": pl.col("disk_read_kb_s") * 1000,
        "disk_write": pl.col("disk_write_kb_s") * 1000,
    }
    groups = {
        "cpu": ("cpu_ratio",),
        "network": ("cpu_ratio", "net_receive", "net_transmit"),
        "all": tuple(columns),
    }
    shares = {
        name: pl.all_horizontal(columns[one] <= limits[one] for one in of).mean().alias(name)
        for name, of in groups.items()
    }
    found = pl.scan_parquet(bitbrains()).group_by("vm").agg(*shares.values()).collect()
    assert {name: found.filter(pl.col(name) >= 0.95).height for name in groups} == {
        "cpu": 352,
        "network": 162,
        "all": 109,
    }
