"""Verdicts on real guests: two that share a core, one that is idle, an interface without a filter, a changed pin."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.host import Host
from lab.lab import Lab
from lab.spec import GuestSpec, HostSpec
from tests.running import Running, running, until

pytestmark = pytest.mark.alone

BEFORE_SECONDS = 36
"""How long the victim has the core for itself: its own normal is made of 30 steps of a second."""
MINUTE = {"window": "1m", "step": "5s", "coverage": "0.3"}
"""What is the shortest that an analysis looks at."""
LOOSE = {"coverage": "0.3", "deviations": "1"}
"""A minute is hardly a past."""
GUESTS = (
    GuestSpec("victim", ("cpu:100",), filter="clean-traffic"),
    GuestSpec("bully", ("cpu:100",), filter="clean-traffic"),
    GuestSpec("lazy"),
)


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host whose two busy guests may run on the first core only."""
    with tempfile.TemporaryDirectory(prefix="vs-", dir="/var/tmp") as folder, Lab(Path(folder)) as made:
        made.up([HostSpec("kvm1", GUESTS)])
        found = made.host("kvm1")
        for name in ("victim", "bully"):
            virsh(found, "vcpupin", name, "0", "0", "--live")
        virsh(found, "suspend", "bully")
        yield found


def virsh(host: Host, *command: str) -> None:
    subprocess.run(["virsh", "-q", "-c", host.uri, *command], check=True, capture_output=True)


def waited(host: Host, guest: str) -> int:
    """By /proc: for how long the guest's vCPU has waited for a core, ns."""
    tasks = Path(f"/proc/{host.guest_pid(guest)}/task").iterdir()
    (vcpu,) = [task for task in tasks if (task / "comm").read_text().startswith("CPU 0/")]
    return int((vcpu / "schedstat").read_text().split()[1])


def figures(process: Running) -> dict[str, Any]:
    """The newest figures, by the names of domains."""
    return {one["name"]: one["figures"] for one in process.get("/api/v1/domains")["domains"]}


def verdicts(process: Running, analysis: str, **settings: str) -> dict[str, Any]:
    """The findings of an analysis, by the names of what they are about."""
    query = "&".join(f"set={name}={value}" for name, value in settings.items())
    found = process.get(f"/api/v1/analyses/{analysis}?all=true&{query}")["findings"]
    return {one["subject"]["name"]: one for one in found}


def test_verdicts_on_real_guests(host: Host, tmp_path: Path) -> None:
    with running(tmp_path, "--connect", host.uri, "--interval", "0.5") as process:
        until(lambda: set(figures(process)) == {one.name for one in GUESTS}, "the guests")
        until(lambda: figures(process)["victim"].get("steal_ratio") is not None, "the victim's steal")
        until(lambda: (figures(process)["victim"]["cpu_cores"] or 0) > 0.3, "the victim's load")
        began = time.monotonic()

        def sharing() -> dict[str, Any]:
            return verdicts(process, "noisy-neighbour", window="2m", step="1s", recent="20s", **LOOSE)

        until(lambda: time.monotonic() - began > BEFORE_SECONDS, "the victim's own normal")
        assert "disturbed" not in {one["verdict"] for one in sharing().values()}

        virsh(host, "resume", "bully")
        before, since = waited(host, "victim"), time.monotonic()
        disturbed = until(
            lambda: (found := sharing()["victim"])["verdict"] == "disturbed" and found, "the culprit", 40.0
        )
        assert "bully on the same host is suspect" in disturbed["reason"]

        contended = until(
            lambda: (
                (found := verdicts(process, "contention", **MINUTE))["victim"]["severity"]
                == found["bully"]["severity"]
                == "critical"
                and time.monotonic() - began > 62  # the start of the guests is not looked at
                and found
            ),
            "the steal of both",
        )
        steal = (waited(host, "victim") - before) / 1e9 / (time.monotonic() - since)
        told, other = (contended[name]["figures"][0]["value"] for name in ("victim", "lazy"))
        assert contended["victim"]["verdict"] == "contended"
        assert 0.3 < steal < 0.8, "the load itself"
        assert told == pytest.approx(steal, abs=0.15)
        assert other < told / 2

        quiet = {"cpu": "0.25", "network": "5000", "disk": "50000"}
        idle = verdicts(process, "idle", **MINUTE, **quiet)
        assert {name: one["verdict"] for name, one in idle.items()} == {
            "lazy": "idle", "victim": "nothing to do", "bully": "nothing to do",
        }  # fmt: skip

        open_nics = verdicts(process, "filter-audit")
        assert {name for name, one in open_nics.items() if one["verdict"] == "no filter"} == {"lazy"}

        virsh(host, "vcpupin", "bully", "0", "1", "--live")
        asked = {"window": "2m", "step": "2s", "reach": "30s", "chance": "1", "coverage": "0.3"}
        changed = until(
            lambda: (
                (found := verdicts(process, "change-correlation", **asked)["bully"])["verdict"] == "changed"
                and [note for note in found["evidence"]["notes"] if "configuration changed: pins" in note]
            ),
            "the changed pin beside the jump",
        )
        assert changed[0].startswith("CPU went from 0.")
