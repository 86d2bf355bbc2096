"""Who trusts whom in a lab whose hosts listen: SSH keys, and TLS certificates of an authority of the lab's own.

The client may do no more than read: its SSH key is pinned to libvirt's helper with a read-only connection.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

from lab.errors import LabError

PINNED = 'restrict,command="virt-ssh-helper -r qemu:///system"'
"""What the client's key is good for, as the beginning of its line in ``authorized_keys``."""

# Of openssl's own configuration nothing holds: it makes every certificate an authority.
_OPENSSL = """
[req]
distinguished_name = subject
[subject]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
[server]
extendedKeyUsage = serverAuth
[client]
extendedKeyUsage = clientAuth
"""


class Keys:
    """The keys of a folder: the client's, and each host's in a folder of its name."""

    def __init__(self, folder: Path) -> None:
        """The keys of a folder, made or not."""
        self.folder = folder
        self.client = folder / "client"
        """The client's private SSH key, ``id``, and what ``pkipath=`` of a URI wants."""
        self.known_hosts = folder / "known_hosts"
        self.programs = folder / "bin"
        """To be put first on PATH by who uses qemu+ssh: an ``ssh`` that knows the hosts' keys.

        Libvirt has no parameter for that, and ``ssh`` looks for ``known_hosts`` below the user's home as the password
        database tells it, whatever HOME says.
        """

    def make(self) -> None:
        """Make the client's keys and the authority, anew."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.client.mkdir(parents=True)
        _ssh_key(self.client / "id")
        public = (self.client / "id.pub").read_text()
        (self.folder / "authorized_keys").write_text(f"{PINNED} {public}")
        self.known_hosts.touch()
        (self.folder / "openssl.cnf").write_text(_OPENSSL)
        self._certificate(self.folder, "ca", "authority", "lab", [])
        shutil.copy(self.folder / "cacert.pem", self.client)
        self._certificate(self.client, "client", "client", "virtscope", self._signed)
        self.programs.mkdir()
        program = self.programs / "ssh"
        options = f"-F none -o IdentitiesOnly=yes -o UserKnownHostsFile={shlex.quote(str(self.known_hosts))}"
        program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} {options} "$@"\n')
        program.chmod(0o755)

    def make_for_host(self, name: str, address: str) -> None:
        """Make the keys of a host, and tell the client of them."""
        folder = self.folder / name
        folder.mkdir()
        _ssh_key(folder / "ssh_host_key")
        public = (folder / "ssh_host_key.pub").read_text()
        with self.known_hosts.open("a") as known:
            known.write(f"{address} {public}")
        alternative = ["-addext", f"subjectAltName=DNS:{name},IP:{address}"]
        self._certificate(folder, "server", "server", name, [*self._signed, *alternative])

    @property
    def _signed(self) -> list[str]:
        return ["-CA", str(self.folder / "cacert.pem"), "-CAkey", str(self.folder / "cakey.pem")]

    def _certificate(self, folder: Path, prefix: str, section: str, subject: str, more: list[str]) -> None:
        key, certificate = folder / f"{prefix}key.pem", folder / f"{prefix}cert.pem"
        _run(
            *("openssl", "req", "-x509", "-config", str(self.folder / "openssl.cnf"), "-extensions", section),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key)),
            *("-subj", f"/CN={subject}", "-days", "30", "-out", str(certificate), *more),
        )


def _ssh_key(path: Path) -> None:
    _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path))


def _run(*command: str) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode:
        raise LabError(f"{' '.join(command)}: {answer.stderr.strip()}")
