"""Certificates of a test's own authority, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def authority(folder: Path) -> None:
    """``ca.pem`` and ``ca.key``."""
    _request(folder, "ca", "-x509", "-days", "2", "-addext", "keyUsage=critical,keyCertSign,cRLSign")


def signed(folder: Path, name: str, serial: int) -> None:
    """``name.pem`` and ``name.key``, signed by the authority, for 127.0.0.1."""
    _request(folder, name)
    (folder / "ext").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    openssl(
        *("x509", "-req", "-days", "2", "-in", f"{folder}/{name}.pem", "-out", f"{folder}/{name}.pem"),
        *("-CA", f"{folder}/ca.pem", "-CAkey", f"{folder}/ca.key", "-set_serial", str(serial)),
        *("-extfile", f"{folder}/ext"),
    )


def _request(folder: Path, name: str, *more: str) -> None:
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{folder}/{name}.key")
    openssl("req", *key, "-subj", f"/CN={name}", "-out", f"{folder}/{name}.pem", *more)
