"""A lab: a folder, the hosts in it, and the way up and down."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from lab.errors import LabError
from lab.host import Host, end, keepers
from lab.image import image
from lab.keys import Keys
from lab.spec import HostSpec

DEFAULT_ROOT = Path(os.environ.get("VIRTSCOPE_LAB", "/var/tmp/virtscope-lab"))
_PROGRAMS = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "iptables": "iptables",
    "libvirtd": "libvirt-daemon-system",
    "qemu-system-x86_64": "qemu-system-x86",
    "dnsmasq": "dnsmasq-base",
    "busybox": "busybox-static",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "openssl": "openssl",
}


class Lab:
    """The lab of a folder; as a context manager it goes down at the end."""

    def __init__(self, root: Path = DEFAULT_ROOT) -> None:
        """The lab of a folder, up or not."""
        self.root = root.absolute()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    @property
    def hosts(self) -> list[Host]:
        """The hosts that are up, by name."""
        folders = sorted(self.root.glob("hosts/*")) if self.root.exists() else []
        return [host for host in map(Host, folders) if host.keeper is not None]

    def host(self, name: str) -> Host:
        """The host of this name."""
        return Host(self.root / "hosts" / name)

    def up(self, specs: Sequence[HostSpec], say: Callable[[str], None] = lambda _line: None) -> None:
        """Bring hosts and guests up; what a lab that crashed here has left is cleared away first.

        Raises:
            LabError: something is missing, or does not come up; then nothing is left running.
        """
        _require_root()
        _require_programs()
        with self._alone():
            if self.hosts:
                raise LabError(f"a lab is up in {self.root} already: take it down first ('./dev lab down')")
            self._clear()
            try:
                say("the guests' kernel and initramfs")
                made = image()
                if any(spec.listens for spec in specs):
                    Keys(self.root / "keys").make()
                with ThreadPoolExecutor(4) as pool:
                    list(pool.map(lambda pair: self._host_up(pair[0], pair[1], say), enumerate(specs, start=1)))
                    guests = [
                        (self.host(spec.name), guest, number)
                        for spec in specs
                        for number, guest in enumerate(spec.guests)
                    ]
                    list(pool.map(lambda item: item[0].start_guest(item[1], item[2], made), guests))
                say(f"{len(guests)} guests")
                for spec in specs:
                    if spec.bare:
                        self.host(spec.name).start_bare(spec.bare, spec.bare_devices)
                        say(f"{spec.bare} paused domains on {spec.name}")
            except BaseException:
                self._clear()
                raise

    def down(self) -> None:
        """End every process of the lab, and remove its files; no lab is no error."""
        _require_root()
        if self.root.exists() or keepers(self.root):
            with self._alone():
                self._clear()
            shutil.rmtree(self.root, ignore_errors=True)

    def _host_up(self, number: int, spec: HostSpec, say: Callable[[str], None]) -> None:
        self.host(spec.name).up(number, listens=spec.listens)
        say(f"host {spec.name}")

    def _clear(self) -> None:
        for pid in keepers(self.root):
            end(pid)
        shutil.rmtree(self.root / "hosts", ignore_errors=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One at a time may change a lab."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _require_root() -> None:
    if os.geteuid() != 0:
        raise LabError("a lab makes namespaces and starts libvirtd, which takes root: use sudo, or './dev lab'")


def _require_programs() -> None:
    missing = {package for program, package in _PROGRAMS.items() if shutil.which(program) is None}
    if missing:
        raise LabError(f"packages are missing: {' '.join(sorted(missing))}. './dev lab up' installs them with apt")
