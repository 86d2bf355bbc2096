"""``web.config.yml``: TLS and passwords of a listener, in the format that Prometheus' own exporters read.

The format is that of the exporter toolkit; what we do not have is refused by name, never silently left out.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from virtscope.errors import BadInput

_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}")


@dataclass(frozen=True, slots=True)
class Tls:
    """How connections are encrypted, and whose are taken."""

    cert_file: Path
    key_file: Path
    client_auth: ssl.VerifyMode = ssl.CERT_NONE
    client_ca_file: Path | None = None
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read."""
        return (self.cert_file, self.key_file, *([self.client_ca_file] if self.client_ca_file else []))

    def context(self) -> ssl.SSLContext:
        """A context of these files as they are now.

        Raises:
            OSError: a file cannot be read, or is not what it should be (``ssl.SSLError``).
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self.min_version
        context.load_cert_chain(self.cert_file, self.key_file, password=_no_passphrase)
        if self.client_ca_file is not None:
            context.load_verify_locations(self.client_ca_file)
        context.verify_mode = self.client_auth
        return context


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What a listener asks of those who connect."""

    tls: Tls | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    """bcrypt hashes by name. Empty: everybody may read."""


def load(path: Path) -> WebConfig:
    """The configuration of a file.

    Raises:
        BadInput: it cannot be used, with the setting at fault and what to do.
    """
    file = _File(path)
    settings = file.section(file.read(), "", {"tls_server_config", "basic_auth_users"})
    tls = settings.get("tls_server_config")
    users = settings.get("basic_auth_users")
    return WebConfig(
        tls=None if tls is None else _tls(file, tls),
        users={} if users is None else _users(file, users),
    )


def _tls(file: _File, section: Any) -> Tls:
    keys = {"cert_file", "key_file", "client_auth_type", "client_ca_file", "min_version"}
    settings = file.section(section, "tls_server_config", keys)
    for key in ("cert_file", "key_file"):
        if not settings.get(key):
            raise file.wrong(f"tls_server_config.{key}", "is missing", "TLS takes both cert_file and key_file.")
    ca = settings.get("client_ca_file")
    found = Tls(
        cert_file=file.path(settings, "cert_file"),
        key_file=file.path(settings, "key_file"),
        client_auth=file.word(settings, "client_auth_type", _CLIENT_AUTH, "NoClientCert"),
        client_ca_file=file.path(settings, "client_ca_file") if ca else None,
        min_version=file.word(settings, "min_version", _VERSIONS, "TLS12"),
    )
    if (found.client_auth is ssl.CERT_NONE) != (found.client_ca_file is None):
        raise file.wrong(
            "tls_server_config.client_ca_file"
            if found.client_ca_file is None
            else "tls_server_config.client_auth_type",
            "is missing",
            "Client certificates take both: client_ca_file, and client_auth_type: RequireAndVerifyClientCert.",
        )
    try:
        found.context()
    except OSError as error:
        raise file.wrong("tls_server_config", f"does not work: {error.strerror or error}", _TLS_HINT) from None
    return found


_TLS_HINT = (
    "cert_file holds the certificate and its chain as PEM, key_file its key without a passphrase, "
    "client_ca_file the authorities of client certificates."
)


def _users(file: _File, section: Any) -> Mapping[str, str]:
    users = file.section(section, "basic_auth_users", None)
    for name, hashed in users.items():
        if ":" in name:
            raise file.wrong(
                f"basic_auth_users.{name}", "has a colon in its name", "Basic auth cannot send such a name."
            )
        if not isinstance(hashed, str) or not _BCRYPT.fullmatch(hashed):
            raise file.wrong(
                f"basic_auth_users.{name}",
                "is no bcrypt hash",
                "'htpasswd -nBC 10 \"\" | tr -d :' makes one of a password.",
            )
    return users


class _File:
    """A file of settings, which every complaint names."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def wrong(self, setting: str, what: str, hint: str) -> BadInput:
        return BadInput(f"{self._path}: {setting} {what}" if setting else f"{self._path} {what}", hint)

    def read(self) -> Any:
        import yaml

        try:
            return yaml.safe_load(self._path.read_text("utf-8"))
        except OSError as error:
            raise self.wrong("", f"cannot be read: {error.strerror}", "Check the path and its permissions.") from None
        except UnicodeDecodeError:
            raise self.wrong("", "is not UTF-8", "Save it as UTF-8.") from None
        except yaml.YAMLError as error:
            # Where, never what: the lines hold hashes.
            mark = getattr(error, "problem_mark", None)
            where = f" (line {mark.line + 1})" if mark else ""
            raise self.wrong("", f"is not YAML{where}", "Check its indentation, and quote the hashes.") from None

    def section(self, found: Any, name: str, keys: set[str] | None) -> dict[str, Any]:
        """A mapping with string keys, out of a closed list where there is one."""
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise self.wrong(name, "is not a mapping", "Write 'setting: value' lines.")
        for key in found:
            inner = f"{name}.{key}" if name else str(key)
            if not isinstance(key, str):
                raise self.wrong(inner, "is not a string", "Put it in quotes.")
            if keys is not None and key not in keys:
                raise self.wrong(inner, "is not known", f"There are: {', '.join(sorted(keys))}.")
        return found

    def path(self, settings: Mapping[str, Any], key: str) -> Path:
        """A path, relative to the file."""
        found = settings[key]
        if not isinstance(found, str):
            raise self.wrong(f"tls_server_config.{key}", "is not a path", "Write it as a string.")
        path = self._path.parent / found
        try:
            with path.open("rb"):
                return path
        except OSError as error:
            raise self.wrong(
                f"tls_server_config.{key}",
                f"({path}) cannot be read: {error.strerror}",
                "Check the path and its owner.",
            ) from None

    def word(self, settings: Mapping[str, Any], key: str, words: Mapping[str, Any], default: str) -> Any:
        """What one of a few words stands for."""
        found = settings.get(key) or default
        if not isinstance(found, str) or found not in words:
            raise self.wrong(f"tls_server_config.{key}", f"cannot be {found!r}", f"There are: {', '.join(words)}.")
        return words[found]


def _no_passphrase() -> str:
    """Instead of a prompt, on a machine where nobody sits."""
    raise ssl.SSLError("the key has a passphrase")
