"""What programs tell of themselves: declared once, told truly, and named as Prometheus wants it."""

from __future__ import annotations

import os
import subprocess

import pytest

from virtscope.exposition import own
from virtscope.exposition.text_format import Format, text


def test_names_and_help_are_as_prometheus_wants_them() -> None:
    figures = (*own.PROCESS, *own.AGENT, *own.SERVER)
    told: own.Told = {figure.name: {'a"\n': 1.5} if figure.label else 1 for figure in figures}
    body = text(own.families(told), Format.PROMETHEUS)
    checked = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert body.count(b"# TYPE") == len(figures) == len({figure.name for figure in figures})


def test_what_is_not_known_is_left_out() -> None:
    assert own.families({"virtscope_clock_offset_seconds": None, "virtscope_agent_lag_seconds": {}}) == ()


def test_nothing_is_told_that_is_not_declared() -> None:
    with pytest.raises(KeyError):
        own.families({"virtscope_of_nobody": 1})


def test_a_process_is_as_the_kernel_sees_it() -> None:
    told = own.process()
    assert told.keys() == {figure.name for figure in own.PROCESS}
    with open("/proc/self/status", encoding="ascii") as file:  # noqa: PTH123
        status = dict(line.split(":", 1) for line in file)
    resident = told["virtscope_process_resident_memory_bytes"]
    assert isinstance(resident, int)
    assert resident == pytest.approx(int(status["VmRSS"].split()[0]) * 1024, rel=0.2)
    used, times = told["virtscope_process_cpu_seconds_total"], os.times()
    assert isinstance(used, float)
    assert used == pytest.approx(times.user + times.system, abs=0.5)
