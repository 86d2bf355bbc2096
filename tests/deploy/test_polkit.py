"""The polkit rule, run as polkit runs it: by a JavaScript engine, once for each question."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.conftest import ROOT

RULES = ROOT / "deploy/polkit/50-virtscope-agent.rules"
NODE = Path(sys.prefix) / "bin/node"
_POLKIT = """
const polkit = { Result: { YES: "yes", NO: "no", NOT_HANDLED: null }, addRule(rule) { this.rule = rule; } };
"""


@pytest.mark.parametrize(
    ("user", "action", "answer"),
    [
        ("virtscope-agent", "org.libvirt.unix.monitor", "yes"),
        ("virtscope-agent", "org.libvirt.unix.manage", "no"),
        ("virtscope-agent", "org.freedesktop.systemd1.manage-units", None),
        ("somebody", "org.libvirt.unix.monitor", None),
        ("somebody", "org.libvirt.unix.manage", None),
    ],
)
def test_the_agent_may_look_and_not_touch(user: str, action: str, answer: str | None) -> None:
    asked = f"console.log(JSON.stringify(polkit.rule({{id: {json.dumps(action)}}}, {{user: {json.dumps(user)}}})))"
    script = f"{_POLKIT}{RULES.read_text()}{asked}"
    told = subprocess.run([NODE, "-e", script], capture_output=True, text=True, check=True).stdout
    assert json.loads(told) == answer
