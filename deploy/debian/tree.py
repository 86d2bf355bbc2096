"""The files of a package, put in place below a folder."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from deploy.debian.product import Product

ROOT = Path(__file__).parents[2]
UV = ROOT / ".venv/uv/bin/uv"

_LAUNCHER = """\
#!/bin/sh
# The environment beside this file, wherever that is; nothing of the caller's Python is looked at (-I).
exec "$(dirname -- "$(readlink -f -- "$0")")/python3" -I -m virtscope "$@"
"""
# What installing leaves behind (paths of the building machine among it), and parts that only compilers and tests need.
_NEEDLESS = (
    *("*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED", "*.dist-info/direct_url.json"),
    *(
        "*.dist-info/uv_*.json",
        "pyarrow/include",
        "pyarrow/src",
        "pyarrow/tests",
        "pyarrow/**/*.pxd",
        "pyarrow/**/*.pyx",
    ),
)


def fill(product: Product, wheel: Path, tree: Path, python: str) -> None:
    """Put everything of a product below ``tree``.

    Args:
        product: which.
        wheel: virtscope itself, with the page in it.
        tree: an empty folder that stands for the root of a machine.
        python: the distribution's Python, as it is called there: ``/usr/bin/python3.11``.

    Raises:
        subprocess.CalledProcessError: something could not be built; it has told why.
    """
    _environment(product, wheel, tree / f"usr/lib/{product.name}", python)
    deploy = ROOT / "deploy"
    _put(deploy / f"systemd/{product.name}.service", tree / f"lib/systemd/system/{product.name}.service")
    _put(deploy / f"{product.program}.toml", tree / f"etc/virtscope/{product.program}.toml")
    documents = tree / f"usr/share/doc/{product.name}"
    _put(deploy / "debian/copyright", documents / "copyright")
    _put_packed(ROOT / "CHANGELOG.md", documents / "changelog.gz")
    _put_packed(deploy / "debian/virtscope.1", tree / f"usr/share/man/man1/{product.name}.1.gz")
    for pattern in product.examples:
        for path in deploy.glob(pattern):
            _put(path, documents / "examples" / path.relative_to(deploy))


def _environment(product: Product, wheel: Path, home: Path, python: str) -> None:
    _run(python, "-m", "venv", "--without-pip", home)
    interpreter = home / "bin/python3"
    # -g0 and no build id: whatever is compiled here is the same wherever it is compiled.
    environment = {**os.environ, "CFLAGS": "-g0", "LDFLAGS": "-Wl,--build-id=none", "UV_LINK_MODE": "copy"}
    pins = ROOT / "requirements"
    install = (UV, "pip", "install", "--quiet", "--python", interpreter)
    strict = ("--require-hashes", "--build-constraints", pins / "build.txt", "-r", pins / product.requirements)
    _run(*install, *strict, env=environment)
    _run(*install, "--no-deps", "--offline", wheel, env=environment)
    packages = next(home.glob("lib/python3.*/site-packages"))
    for pattern in _NEEDLESS:
        for path in list(packages.glob(pattern)):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(home / "include")
    (home / ".lock").unlink(missing_ok=True)
    for path in (home / "bin").iterdir():
        if not path.name.startswith("python"):
            path.unlink()
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {_version(python)}\n"
    )
    launcher = home / "bin/virtscope"
    launcher.write_text(_LAUNCHER)
    launcher.chmod(0o755)
    # Compiled here, so that purging leaves nothing and a service on a read-only system starts as fast; by their
    # content (unchecked), because a package's times mean nothing.
    compiled = ("-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash")
    _run(interpreter, *compiled, "-s", str(home), "-p", f"/usr/lib/{product.name}", packages)


def _version(python: str) -> str:
    answer = subprocess.run(
        [python, "-c", "import platform; print(platform.python_version())"], capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def files(tree: Path) -> Iterator[Path]:
    """Every regular file, in the same order everywhere."""
    yield from (path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink())


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(source.read_bytes())
    target.chmod(0o644)


def _put_packed(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(source.read_bytes(), 9, mtime=0))
    target.chmod(0o644)


def _run(*command: object, env: dict[str, str] | None = None) -> None:
    subprocess.run([str(part) for part in command], check=True, env=env, stdout=sys.stderr)
