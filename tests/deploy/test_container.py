"""The container file, as far as it can be checked where no container engine runs; and its health check, for real."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from deploy.debian.product import SERVER
from tests.deploy.conftest import ROOT
from tests.running import running
from virtscope.settings.server import LISTEN
from virtscope.settings.server import SERVER as PROGRAM

FILE = ROOT / "deploy/container/Containerfile"


def instructions() -> list[tuple[str, str]]:
    """Each instruction with its arguments, comments and line ends taken out."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


def arguments(instruction: str) -> list[str]:
    return [rest for name, rest in instructions() if name == instruction]


def test_what_is_copied_is_there() -> None:
    ignored = (ROOT / ".containerignore").read_text().split()
    for rest in arguments("COPY"):
        *sources, _ = rest.split()
        for source in sources:
            assert (ROOT / source).exists(), source
            assert f"/{source}" not in ignored


def test_what_is_run_is_a_task_of_ours() -> None:
    tasks = [shlex.split(rest) for rest in arguments("RUN") if "./dev" in rest]
    assert tasks == [["./dev", "package", "--only", "server", "--into", "/packages"]]
    helped = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True).stdout
    assert re.search(r"^ +package ", helped, re.MULTILINE)
    options = subprocess.run(
        [sys.executable, "-m", "deploy.debian", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "--only" in options
    assert "--into" in options


def test_it_runs_as_the_server_s_user_out_of_the_package(unpacked: Path) -> None:
    assert arguments("USER") == [SERVER.user]
    assert arguments("VOLUME") == [SERVER.state]
    assert f"{PROGRAM.variable(LISTEN)}=0.0.0.0:8420" in arguments("ENV")[-1]
    for rest in (*arguments("ENTRYPOINT"), arguments("HEALTHCHECK")[0].partition("CMD ")[2]):
        assert (unpacked / rest.split('"')[1].removeprefix("/")).exists(), rest


def test_the_health_check(unpacked: Path, tmp_path: Path) -> None:
    python = unpacked / f"usr/lib/{SERVER.name}/bin/python3"

    def healthy(path: Path) -> int:
        command = [str(python), "-I", str(ROOT / "deploy/container/healthy.py"), str(path)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    own = tmp_path / "data/server.sock"
    assert healthy(own) == 1
    with running(own.parent, "--connect", "test:///default"):
        assert healthy(own) == 0
