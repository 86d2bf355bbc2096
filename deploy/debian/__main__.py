"""``python -m deploy.debian``: builds the packages into ``dist/``, the same bytes out of the same sources."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Mapping
from pathlib import Path

import virtscope
from deploy.debian.product import PRODUCTS, Product
from deploy.debian.scripts import scripts
from deploy.debian.tree import ROOT, files, fill


def main() -> int:
    """Build what is asked for, and print the files' names."""
    parser = argparse.ArgumentParser(prog="python -m deploy.debian", description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "dist", help="the folder for the packages")
    parser.add_argument("--python", default="/usr/bin/python3", help="the Python that the packages will run with")
    parser.add_argument("--only", choices=[product.program for product in PRODUCTS], help="one of the packages")
    parser.add_argument("--compression", type=int, default=6, choices=range(10), help="of xz; 0 is none at all")
    options = parser.parse_args()
    os.environ.setdefault("SOURCE_DATE_EPOCH", _commit_time())
    os.umask(0o022)
    options.into.mkdir(parents=True, exist_ok=True)
    python = _real(options.python)
    with tempfile.TemporaryDirectory(prefix="virtscope-package-") as scratch:
        _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch)
        wheel = next(Path(scratch).glob("*.whl"))
        for product in (one for one in PRODUCTS if options.only in (None, one.program)):
            tree = Path(scratch) / product.name
            fill(product, wheel, tree, python)
            print(_pack(product, tree, python, options.into, options.compression))
    return 0


def _pack(product: Product, tree: Path, python: str, into: Path, compression: int) -> Path:
    """The package of a tree that is filled."""
    control = tree / "DEBIAN"
    sums = "".join(
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(tree)}\n"
        for path in files(tree)
    )
    size = sum(path.stat().st_size for path in files(tree)) // 1024
    control.mkdir()
    (control / "md5sums").write_text(sums)
    (control / "conffiles").write_text(f"/etc/virtscope/{product.program}.toml\n")
    fields = control_fields(product, python, size)
    (control / "control").write_text("".join(f"{name}: {value}\n" for name, value in fields.items()))
    for name, text in scripts(product).items():
        (control / name).write_text(text)
        (control / name).chmod(0o755)
    target = into / f"{product.name}_{fields['Version']}_{fields['Architecture']}.deb"
    how = ("-Zxz", f"-z{compression}") if compression else ("-Znone",)
    _run("dpkg-deb", "--root-owner-group", *how, "--build", str(tree), str(target))
    return target


def control_fields(product: Product, python: str, size: int) -> dict[str, str]:
    """The control file: ``size`` in KiB; ``python`` as ``/usr/bin/python3.11``, on whose minor version all depends."""
    minor = python.rpartition(".")[2]
    needs = [
        f"python3.{minor}",
        f"libvirt0 (>= {_answer('pkg-config', '--modversion', 'libvirt')})",
        "adduser",
        "init-system-helpers (>= 1.54)",
        "libc6, libgcc-s1, libstdc++6" if product.program == "server" else "libc6",
    ]
    description = "\n ".join([product.summary, *textwrap.wrap(product.description, 76)])
    return {
        "Package": product.name,
        "Version": f"{virtscope.__version__}~{distribution(Path('/etc/os-release').read_text())}",
        "Architecture": _answer("dpkg", "--print-architecture"),
        "Maintainer": "virtscope <virtscope@users.noreply.github.com>",
        "Installed-Size": str(size),
        "Depends": ", ".join(needs),
        **(product.more or {}),
        "Section": "admin",
        "Priority": "optional",
        "Homepage": "https://github.com/virtscope/virtscope",
        "Description": description,
    }


def distribution(release: str) -> str:
    """What the packages are for, out of ``os-release``: ``debian12``, ``ubuntu24.04``."""
    told = dict(line.partition("=")[::2] for line in release.splitlines() if "=" in line)
    return (told.get("ID", "linux") + told.get("VERSION_ID", "")).replace('"', "")


def _real(python: str) -> str:
    """A distribution's Python by its full version, without links: ``/usr/bin/python3.11``."""
    real = str(Path(python).resolve())
    if not real.startswith("/usr/bin/python3."):
        raise SystemExit(f"{python} is not the distribution's Python: a package can depend only on that one")
    return real


def _commit_time() -> str:
    return _answer("git", "-C", str(ROOT), "log", "-1", "--format=%ct")


def _answer(*command: str, env: Mapping[str, str] | None = None) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, env=env).stdout.strip()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr, cwd=ROOT)


if __name__ == "__main__":
    sys.exit(main())
