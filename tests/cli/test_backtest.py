"""``virtscope backtest`` on a small trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from virtscope.cli import backtesting
from virtscope.cli.commands import app
from virtscope.errors import BadInput

RUNNER = CliRunner()


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Four days of two machines with 4 cores: one uses one core, and the other three from the third day on."""
    ts = [300 * step for step in range(4 * 288)]
    rows = [
        {"vm": vm, "ts": at, "cores": 4, "cpu_usage_pct": 75.0 if vm == 2 and at >= 2 * 86_400 else 25.0}
        | {"memory_capacity_kb": 1000.0, "memory_usage_kb": 500.0}
        for vm in (1, 2)
        for at in ts
    ]
    pl.DataFrame(rows).write_parquet(tmp_path / "trace.parquet")
    return tmp_path / "trace.parquet"


def asked(*options: str) -> str:
    answer = RUNNER.invoke(app, ["backtest", "--train", "2", "--test", "2", *options], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_known_outcomes(trace: Path) -> None:
    found = json.loads(asked("--trace", str(trace), "-o", "json"))
    assert (found["machines"], found["configured"], found["unit"]) == (2, 8, "vcpus")
    policies = {one["policy"]: one for one in found["policies"]}
    assert policies["KRR p95"] == {"policy": "KRR p95", "kept": 2, "kept_share": 0.25, "exceeding": 1, "risk": 0.5}
    assert policies["p99.5+20%"]["kept"] == 4
    memory = json.loads(asked("--trace", str(trace), "--resource", "memory", "-o", "json"))
    assert {one["policy"]: round(one["kept_share"], 3) for one in memory["policies"]} == {
        "p95+20%": 0.6,
        "max+15%": 0.575,
    }


def test_people_get_bars(trace: Path) -> None:
    shown = asked("--trace", str(trace))
    assert "2 machines with 8 vCPUs" in shown
    assert "█" in shown
    assert "1 of 2" in shown


def test_a_trace_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "no.parquet").write_text("nothing")
    for file in ("no.parquet", "missing.parquet"):
        with pytest.raises(BadInput, match="cannot be read as a trace"):
            backtesting.backtest(tmp_path / file)


def test_a_short_trace_says_so(trace: Path) -> None:
    with pytest.raises(BadInput, match="no machine has a history"):
        backtesting.backtest(trace)


class Fleet:
    """A server with one domain, whose history begins a day late."""

    def __init__(self, *_: object, **__: object) -> None:
        self.times = [1_000_000.0 + 300 * step for step in range(4 * 288)]

    def items(self, kind: str) -> list[dict[str, str]]:
        return [{"id": "a"}]

    def get(self, path: str, query: list[tuple[str, str]]) -> dict[str, Any]:
        assert path == "series"
        assert ("start", str(-4 * 86_400)) in query
        assert ("object", "a") in query
        values = {"cpu_cores": [None] * 200 + [1.0] * (4 * 288 - 200), "vcpus": [None] * 200 + [4.0] * (4 * 288 - 200)}
        series = [{"object": {"host": "h", "domain": "a"}, "quantity": n, "points": v} for n, v in values.items()]
        return {"start": self.times[0], "times": self.times, "series": series}


def test_the_fleet_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backtesting, "Server", Fleet)
    found = json.loads(asked("-o", "json"))
    assert (found["machines"], found["configured"]) == (1, 4)
    assert {one["policy"]: one["kept"] for one in found["policies"]}["p99.5+20%"] == 2
