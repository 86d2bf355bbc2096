"""The guests' kernel and initramfs: the distribution's kernel, unpacked and not installed, and busybox.

Made once for the machine and kept in a cache; the initramfs is named after what went into it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

CACHE = Path("/var/cache/virtscope-lab")
MODULES = ("virtio_pci", "virtio_blk", "virtio_net", "virtio_balloon")
"""What a guest needs of its kernel; what they need in turn is found in the modules themselves."""
AGENT_MODULES = ("virtio_console", "crc32c_generic", "ext4")
"""What a guest with an agent and a file system needs on top; ext4 asks for crc32c by no name that a module tells."""
_PACKAGES = ("linux-image-cloud-amd64", "linux-image-virtual")
_INIT = Path(__file__).parent / "init.sh"


@dataclass(frozen=True, slots=True)
class Image:
    """What a guest boots."""

    kernel: Path
    initramfs: Path


def image(cache: Path = CACHE, *, agent: bool = False) -> Image:
    """The image, made where it is not in the cache yet; with QEMU's guest agent where that is wanted.

    Raises:
        LabError: there is no kernel to be had, or no busybox.
    """
    kernel_root = _kernel(cache)
    kernel = next(iter(sorted(kernel_root.glob("boot/vmlinuz-*"))))
    content = _initramfs(kernel_root, _busybox(), _agent() if agent else {})
    initramfs = cache / f"initramfs-{hashlib.sha256(content).hexdigest()[:16]}.gz"
    if not initramfs.exists():
        temporary = initramfs.with_suffix(".tmp")
        temporary.write_bytes(gzip.compress(content, 6, mtime=0))
        temporary.rename(initramfs)
    return Image(kernel, initramfs)


def _kernel(cache: Path) -> Path:
    """A folder with the kernel's ``boot`` and ``lib/modules``."""
    root = cache / "kernel"
    if root.exists():
        return root
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        unpacked = Path(scratch) / "kernel"
        for package in _kernel_packages():
            _run(["apt-get", "download", package], Path(scratch), f"download {package}")
        for archive in Path(scratch).glob("*.deb"):
            _run(["dpkg-deb", "-x", str(archive), str(unpacked)], Path(scratch), f"unpack {archive.name}")
        if not list(unpacked.glob("boot/vmlinuz-*")):
            raise LabError("the kernel's package holds no kernel: the lab cannot start guests with it")
        if not root.exists():
            unpacked.rename(root)
    return root


def _kernel_packages() -> list[str]:
    """The packages that hold the kernel and its modules: what the distribution's virtual package leads to."""
    for package in _PACKAGES:
        shown = subprocess.run(["apt-cache", "depends", package], capture_output=True, text=True, check=False).stdout
        found = [name for name in re.findall(r"Depends: (linux-(?:image|modules)-\S+)", shown) if name[-1] != ">"]
        if found:
            modules = [name.replace("linux-image-", "linux-modules-", 1) for name in found if "image" in name]
            known = subprocess.run(["apt-cache", "show", *modules], capture_output=True, text=True, check=False).stdout
            return found + [name for name in modules if f"Package: {name}\n" in known]
    raise LabError(
        f"no kernel for the guests: apt knows none of {', '.join(_PACKAGES)}. Run 'apt-get update', then try again"
    )


def _busybox() -> bytes:
    program = shutil.which("busybox")
    if program is None:
        raise LabError("busybox is missing: install the package busybox-static")
    return Path(program).read_bytes()


def _agent() -> dict[str, bytes]:
    """QEMU's guest agent and the libraries that it needs, by their paths in the guest."""
    program = shutil.which("qemu-ga")
    if program is None:
        raise LabError("qemu-ga is missing: install the package qemu-guest-agent")
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    libraries = re.findall(r"(/\S+)(?= \(0x)", told)
    return {"bin/qemu-ga": Path(program).read_bytes()} | {
        path.removeprefix("/"): Path(path).read_bytes() for path in libraries
    }


def _initramfs(kernel_root: Path, busybox: bytes, files: Mapping[str, bytes]) -> bytes:
    modules = dict(_with_dependencies(kernel_root, (*MODULES, *AGENT_MODULES) if files else MODULES))
    archive = _Archive()
    above = {str(folder) for file in files for folder in Path(file).parents} - {".", "bin"}
    for folder in ("bin", "dev", "proc", "sys", "tmp", "modules", *sorted(above)):
        archive.add(folder, stat.S_IFDIR | 0o755)
    archive.add("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    archive.add("bin/busybox", stat.S_IFREG | 0o755, busybox)
    for file, program in files.items():
        archive.add(file, stat.S_IFREG | 0o755, program)
    archive.add("init", stat.S_IFREG | 0o755, _INIT.read_bytes())
    for name, content in modules.items():
        archive.add(f"modules/{name}.ko", stat.S_IFREG | 0o644, content)
    archive.add("modules/order", stat.S_IFREG | 0o644, " ".join(modules).encode() + b"\n")
    return archive.finished()


def _with_dependencies(kernel_root: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Modules in the order of loading; one that is built into the kernel is not there and not needed."""
    files = {
        path.name.partition(".")[0].replace("-", "_"): path
        for path in kernel_root.glob("**/lib/modules/*/kernel/**/*.ko*")
    }
    done: set[str] = set()

    def load(name: str) -> Iterator[tuple[str, bytes]]:
        if name in done or name not in files:
            return
        done.add(name)
        content = _unpacked(files[name])
        for needed in dependencies(content):
            yield from load(needed)
        yield name, content

    for name in names:
        yield from load(name)


def dependencies(module: bytes) -> list[str]:
    """The modules that a module names in its ``depends=``."""
    found = re.search(rb"\0depends=([^\0]*)\0", module)
    return [name.replace("-", "_") for name in found[1].decode().split(",") if name] if found else []


def _unpacked(path: Path) -> bytes:
    match path.suffix:
        case ".xz":
            return lzma.decompress(path.read_bytes())
        case ".zst":
            return subprocess.run(["zstd", "-dcq", str(path)], capture_output=True, check=True).stdout
        case _:
            return path.read_bytes()


class _Archive:
    """An archive in cpio's "newc" format, as the kernel's Documentation/driver-api/early-userspace describes it."""

    def __init__(self) -> None:
        self._buffer = io.BytesIO()
        self._inode = 0

    def add(self, name: str, mode: int, content: bytes = b"", device: tuple[int, int] = (0, 0)) -> None:
        self._inode += 1
        encoded = name.encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(encoded), 0)
        self._padded(b"070701" + b"".join(b"%08X" % field for field in fields) + encoded)
        self._padded(content)

    def finished(self) -> bytes:
        self.add("TRAILER!!!", 0)
        return self._buffer.getvalue()

    def _padded(self, content: bytes) -> None:
        self._buffer.write(content + b"\0" * (-len(content) % 4))


def _run(command: list[str], folder: Path, what: str) -> None:
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LabError(f"could not {what}: {answer.stderr.strip() or answer.stdout.strip()}")
