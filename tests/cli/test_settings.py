"""``--config`` and ``--check``: what counts, and where it comes from."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.running import PATIENCE


def virtscope(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "virtscope", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "NO_COLOR": "1", **environment},
    )


def rows(output: str) -> dict[str, list[str]]:
    """Each setting's value and place."""
    return {line.split()[0]: line.split()[1:] for line in output.splitlines()[2:] if line.strip()}


def test_every_value_and_where_it_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('# the agent\n\ninterval = "3s"\nmetrics = ":9000"\nspool-size = "64M"\nlog-level = "debug"\n')
    answer = virtscope(
        *("agent", "--config", str(file), "--check", "--log-level", "error", "-c", "test:///default"),
        VIRTSCOPE_AGENT_SPOOL_SIZE="128M",
    )
    assert answer.returncode == 0, answer.stderr
    found = rows(answer.stdout)
    assert found["interval"] == ["3s", f"{file}:3"]
    assert found["metrics"] == [":9000", f"{file}:4"]
    assert found["spool-size"] == ["128M", "VIRTSCOPE_AGENT_SPOOL_SIZE"]
    assert found["log-level"] == ["error", "--log-level"]
    assert found["connect"] == ["test:///default", "--connect"]
    assert found["replay"] == ["15m", "default"]
    assert "\x1b" not in answer.stdout


def test_all_that_is_wrong_at_once(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('lisen = "127.0.0.1:1"\nkeep-days = 0\n')
    answer = virtscope("server", "--config", str(file), "--check", "--ingest-memory", "lots")
    assert answer.returncode == 2
    for words in (f"{file}:1: there is no setting 'lisen'; is 'listen' meant?", f"{file}:2: keep-days = 0", "'lots'"):
        assert words in answer.stderr
    assert answer.stdout == ""


def test_a_switch_is_turned_off_and_on() -> None:
    assert rows(virtscope("server", "--check", "--no-login").stdout)["login"] == ["false", "--login"]
    assert rows(virtscope("server", "--check", VIRTSCOPE_SERVER_LOGIN="on").stdout)["login"][0] == "true"
    assert virtscope("server", "--check", "--no-login", "--listen", "0.0.0.0:8420").returncode == 2
    assert rows(virtscope("up", "--check", "--demo", "--allow-no-verify").stdout)["demo"] == ["true", "--demo"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    answer = virtscope("agent", "--config", str(tmp_path / "none.toml"), "--check")
    assert answer.returncode == 2
    assert "none.toml" in answer.stderr
