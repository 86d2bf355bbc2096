"""web.config.yml: what the exporter toolkit reads, and complaints that say what to do."""

from __future__ import annotations

import ssl
from pathlib import Path

import bcrypt
import pytest

from tests.exposition.certificates import authority, signed
from virtscope.errors import BadInput
from virtscope.exposition.web_config import WebConfig, load

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("web")
    authority(made)
    signed(made, "server", 1)
    return made


def loaded(folder: Path, text: str) -> WebConfig:
    path = folder / "web.config.yml"
    path.write_text(text)
    return load(path)


def test_all_of_it(folder: Path) -> None:
    found = loaded(
        folder,
        f"""
tls_server_config:
  cert_file: server.pem
  key_file: {folder}/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
  min_version: TLS13
basic_auth_users:
  prometheus: "{HASH}"
""",
    )
    assert found.users == {"prometheus": HASH}
    assert found.tls is not None
    assert found.tls.cert_file == folder / "server.pem", "relative to the file"
    context = found.tls.context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("text", ["", "{}", "tls_server_config:\nbasic_auth_users:\n"])
def test_nothing_of_it(folder: Path, text: str) -> None:
    assert loaded(folder, text) == WebConfig()


TLS = "cert_file: server.pem, key_file: server.key"


@pytest.mark.parametrize(
    ("text", "setting", "hint"),
    [
        ("http_server_config: {}", "http_server_config is not known", "basic_auth_users, tls_server_config"),
        (
            f"tls_server_config: {{{TLS}, cipher_suites: []}}",
            "tls_server_config.cipher_suites is not known",
            "cert_file",
        ),
        ("tls_server_config: {cert_file: server.pem}", "tls_server_config.key_file is missing", "both"),
        ("tls_server_config: {cert_file: no.pem, key_file: server.key}", "cert_file (", "path"),
        ("tls_server_config: {cert_file: 1, key_file: server.key}", "cert_file is not a path", "string"),
        ("tls_server_config: {cert_file: ca.pem, key_file: server.key}", "tls_server_config does not work", "PEM"),
        (f"tls_server_config: {{{TLS}, min_version: TLS10}}", "min_version cannot be 'TLS10'", "TLS12, TLS13"),
        (
            f"tls_server_config: {{{TLS}, client_auth_type: RequestClientCert}}",
            "client_auth_type cannot be",
            "NoClient",
        ),
        (f"tls_server_config: {{{TLS}, client_ca_file: ca.pem}}", "client_auth_type is missing", "RequireAndVerify"),
        (
            f"tls_server_config: {{{TLS}, client_auth_type: RequireAndVerifyClientCert}}",
            "client_ca_file is missing",
            "client_ca_file",
        ),
        ("basic_auth_users: {prometheus: secret}", "basic_auth_users.prometheus is no bcrypt hash", "htpasswd"),
        ("basic_auth_users: {1: x}", "basic_auth_users.1 is not a string", "quotes"),
        ("basic_auth_users: {'a:b': x}", "colon", "Basic auth"),
        ("basic_auth_users: [a]", "basic_auth_users is not a mapping", "setting: value"),
        ("- a", "is not a mapping", "setting: value"),
        ("a: [secret", "is not YAML (line 1)", "indentation"),
        ("!!python/object:os.system {}", "is not YAML", "indentation"),
    ],
)
def test_complaints_name_the_file_and_the_setting_and_what_to_do(
    folder: Path, text: str, setting: str, hint: str
) -> None:
    with pytest.raises(BadInput) as raised:
        loaded(folder, text)
    assert str(raised.value).startswith(str(folder / "web.config.yml"))
    assert setting in str(raised.value)
    assert hint in raised.value.hint
    assert "secret" not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.yml cannot be read: No such file"):
        load(tmp_path / "none.yml")


def test_a_key_with_a_passphrase_is_refused_without_asking(folder: Path) -> None:
    from tests.exposition.certificates import openssl

    openssl("ec", "-in", f"{folder}/server.key", "-out", f"{folder}/locked.key", "-aes128", "-passout", "pass:secret")
    with pytest.raises(BadInput, match="does not work"):
        loaded(folder, "tls_server_config: {cert_file: server.pem, key_file: locked.key}")
