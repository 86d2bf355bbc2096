"""The packages, built once; and this machine as a place to install them that is thrown away."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.debian.product import PRODUCTS

ROOT = Path(__file__).parents[2]


def build(into: Path, *arguments: str) -> None:
    """Packages, as quickly as they can be made."""
    command = [sys.executable, "-m", "deploy.debian", "--into", str(into), "--compression", "0", *arguments]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each package by its name; built by whoever comes first of the processes that run the tests."""
    is_alone = "PYTEST_XDIST_WORKER" not in os.environ
    shared = tmp_path_factory.getbasetemp() if is_alone else tmp_path_factory.getbasetemp().parent
    folder = shared / "packages"
    with (shared / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            started = shared / "packages.started"
            started.mkdir(exist_ok=True)
            build(started)
            started.rename(folder)
    return {product.name: next(folder.glob(f"{product.name}_*.deb")) for product in PRODUCTS}


@pytest.fixture(scope="session")
def unpacked(packages: dict[str, Path]) -> Iterator[Path]:
    """A folder with what both packages hold, which every user may read: pytest's own are its user's alone."""
    with tempfile.TemporaryDirectory(prefix="vs-", dir="/var/tmp") as name:
        folder = Path(name)
        for package in packages.values():
            subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
        folder.chmod(0o755)
        yield folder


Inside = Callable[[str], str]
"""Runs a shell script and answers with what it has printed."""


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Inside, Path]:
    """This machine with its own changes on top, which only the test sees: a way in, and the folder of the changes."""
    changes, work, merged = (tmp_path / name for name in ("changes", "work", "merged"))
    for folder in (changes, work, merged):
        folder.mkdir()

    def inside(script: str) -> str:
        enter = f"""
            set -e
            mount -t overlay overlay -o lowerdir=/,upperdir={changes},workdir={work} {merged}
            for folder in proc dev sys; do mount --rbind /$folder {merged}/$folder; done
            exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \\
              chroot {merged} sh -e -c "$1"
        """
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", enter, "sh", script]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert answer.returncode == 0, f"{script}\n{answer.stdout}{answer.stderr}"
        return answer.stdout

    return inside, changes
