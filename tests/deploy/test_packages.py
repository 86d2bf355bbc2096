"""The Debian packages: built, installed on this machine (as only the test sees it), run, removed without a trace."""

from __future__ import annotations

import re
import stat
import subprocess
from pathlib import Path

import pytest

from deploy.debian.__main__ import distribution
from deploy.debian.product import PRODUCTS, Product
from deploy.debian.scripts import scripts
from tests.deploy.conftest import ROOT, Inside, build
from virtscope import __version__

BOTH = "dpkg -i {virtscope-agent} {virtscope-server} >/dev/null"


def written(script: str, packages: dict[str, Path]) -> str:
    """A script with the packages' files in the places of their names."""
    return re.sub(r"\{(virtscope-\w+)\}", lambda found: str(packages[found[1]]), script)


def field(package: Path, name: str) -> str:
    return subprocess.run(["dpkg-deb", "-f", package, name], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_what_runs_out_of_its_folder(product: Product, unpacked: Path) -> None:
    program = unpacked / f"usr/lib/{product.name}/bin/virtscope"
    run = {"capture_output": True, "text": True, "env": {"PATH": "/usr/bin:/bin", "PYTHONPATH": "/nonexistent"}}
    version = subprocess.run([program, "--version"], check=True, **run)  # type: ignore[call-overload]
    assert version.stdout.strip() == f"virtscope {__version__}"
    config = unpacked / f"etc/virtscope/{product.program}.toml"
    checked = subprocess.run([program, product.program, "--config", config, "--check"], check=True, **run)  # type: ignore[call-overload]
    assert product.state in checked.stdout
    listed = subprocess.run([program, "list", "domains", "-c", "test:///default", "-o", "name"], check=True, **run)  # type: ignore[call-overload]
    assert listed.stdout.strip() == "test"


def test_installed_used_upgraded_and_removed(machine: tuple[Inside, Path], packages: dict[str, Path]) -> None:
    inside, changes = machine

    def run(script: str) -> str:
        return inside(written(script, packages))

    run(BOTH)
    assert run("readlink -f /usr/bin/virtscope").strip() == "/usr/lib/virtscope-server/bin/virtscope"
    assert run("virtscope --version; dpkg -V virtscope-agent virtscope-server").strip() == f"virtscope {__version__}"
    for product in PRODUCTS:
        state = run(f"stat -c '%U %G %a' {product.state}").split()
        assert state == [product.user, product.user, "700"]
        assert run(f"getent passwd {product.user}").strip().endswith(":/usr/sbin/nologin")
        run(f"test -L /etc/systemd/system/multi-user.target.wants/{product.name}.service")
        as_user = f"setpriv --reuid {product.user} --regid {product.user} --init-groups"
        checked = run(f"{as_user} /usr/lib/{product.name}/bin/virtscope {product.program} --check -i 7s")
        assert re.search(r"^interval +7s +--interval", checked, re.MULTILINE)
        run(f"{as_user} test -r /etc/virtscope/{product.program}.toml")
        run(f"if {as_user} test -w /etc/virtscope/{product.program}.toml; then exit 1; fi")
        run(f"systemd-analyze verify --man=no {product.name}.service")
    if run("getent group libvirt || true"):
        assert "libvirt" in run("id -nG virtscope-agent").split()

    run("echo 'interval = \"9s\"' >>/etc/virtscope/agent.toml; touch /var/lib/virtscope-agent/kept")
    run("dpkg -i {virtscope-agent} >/dev/null 2>&1; test -e /var/lib/virtscope-agent/kept")
    assert re.search(r"^interval +9s +/etc/virtscope/agent.toml:\d+", run("virtscope agent --check"), re.MULTILINE)

    run("dpkg -r virtscope-server >/dev/null")
    assert run("readlink -f /usr/bin/virtscope").strip() == "/usr/lib/virtscope-agent/bin/virtscope"
    run("test -d /var/lib/virtscope; test -e /etc/virtscope/server.toml")

    run("dpkg -P virtscope-agent virtscope-server >/dev/null 2>&1")
    assert run("getent passwd virtscope virtscope-agent || true") == ""
    # What overlayfs keeps of a file that is gone is a character device without a number.
    left = [
        path
        for path in changes.rglob("*virtscope*")
        if not path.is_symlink() and not stat.S_ISCHR(path.lstat().st_mode) and not path.is_relative_to(changes / "tmp")
    ]
    assert left == []
    assert run("ls -d /etc/virtscope /usr/bin/virtscope 2>/dev/null || true") == ""


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_what_is_in_it(product: Product, packages: dict[str, Path], unpacked: Path) -> None:
    package = packages[product.name]
    python = (unpacked / f"usr/lib/{product.name}/bin/python3").resolve()
    assert python.name in field(package, "Depends").split(", ")
    assert field(package, "Version").startswith(__version__)
    listed = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in listed.splitlines()} == {"root/root"}
    assert not [line for line in listed.splitlines() if re.match(r"[-d].{4}w|[-d].{7}w|-..s|-.{5}s", line)], (
        "others may write"
    )
    page = unpacked / f"usr/lib/{product.name}/lib/{python.name}/site-packages/virtscope/server/page"
    assert (page / "index.html").is_file()
    assert list(page.glob("assets/*.js"))


def test_nothing_tells_of_the_machine_that_built_it(unpacked: Path) -> None:
    searched = subprocess.run(
        ["grep", "-rlE", f"virtscope-package-|{ROOT}/", unpacked], capture_output=True, text=True, check=False
    )
    assert searched.stdout == ""


def test_the_same_sources_are_the_same_bytes(packages: dict[str, Path], tmp_path: Path) -> None:
    build(tmp_path, "--only", "agent")
    assert next(tmp_path.glob("*.deb")).read_bytes() == packages["virtscope-agent"].read_bytes()


@pytest.mark.parametrize("product", PRODUCTS, ids=lambda product: product.name)
def test_maintainer_scripts_are_sound_shell(product: Product) -> None:
    for text in scripts(product).values():
        subprocess.run(["sh", "-n", "-c", text], check=True)
        assert "set -e" in text
        assert "$name" not in text


def test_what_a_package_is_for() -> None:
    assert distribution('ID=debian\nVERSION_ID="12"\n') == "debian12"
    assert distribution('NAME="Ubuntu"\nID=ubuntu\nVERSION_ID="24.04"\n') == "ubuntu24.04"
    assert distribution("ID=arch\n") == "arch"
