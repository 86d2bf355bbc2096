"""The server's authority and its own certificate: made once, kept, renewed in time; or the operator's."""

from __future__ import annotations

import socket
import ssl
import stat
from pathlib import Path

import pytest
import trustme
from cryptography import x509

from tests.enrolment.serving import NAMES, Clock, Port, serving
from virtscope.agent.enrolment import identity
from virtscope.agent.enrolment.exchange import Address, ask
from virtscope.errors import BadInput, StoreError
from virtscope.server.enrolment.authority import Authority
from virtscope.server.enrolment.server_certificate import (
    GivenCertificate,
    IssuedCertificate,
    listening_names,
    show_newest,
)
from virtscope.server.front import page_context

DAY = 86_400


def shown(port: Port) -> x509.Certificate:
    """The certificate that a new connection is shown."""
    context = identity.trusting(port.agents.anchor.pem)
    with context.wrap_socket(socket.create_connection(port.address), server_hostname="localhost") as connection:
        der = connection.getpeercert(binary_form=True)
    assert der is not None
    return x509.load_der_x509_certificate(der)


def test_a_restart_keeps_everything(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        known = port.enrol(tmp_path / "agent")
        first = port.agents.anchor.fingerprint, shown(port).serial_number
        where = port.address
    with serving(tmp_path / "server") as port:
        assert (port.agents.anchor.fingerprint, shown(port).serial_number) == first
        assert ask(Address(*port.address), known.context(), "me")
        (agent,) = port.agents.list()
        assert agent.seen is not None
        assert where[0] == port.address[0]


def test_keys_are_read_by_the_server_alone(tmp_path: Path) -> None:
    with serving(tmp_path / "server"):
        pki = tmp_path / "server" / "pki"
        assert stat.S_IMODE(pki.stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in pki.iterdir()}
    assert modes == {"ca.pem": 0o644, "ca.key": 0o600, "server.pem": 0o644, "server.key": 0o600}


def test_a_lost_key_is_not_replaced(tmp_path: Path) -> None:
    Authority.own(tmp_path)
    (tmp_path / "ca.key").unlink()
    with pytest.raises(StoreError, match=r"cannot read .*ca\.key"):
        Authority.own(tmp_path)


def test_a_start_that_ended_between_key_and_certificate(tmp_path: Path) -> None:
    Authority.own(tmp_path)
    (tmp_path / "ca.pem").unlink()
    assert Authority.own(tmp_path).anchor.fingerprint == Authority.own(tmp_path).anchor.fingerprint


def test_the_servers_certificate_is_renewed_without_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path / "server") as port:
        known = port.enrol(tmp_path / "agent")
        first = shown(port)
        port.server.refresh_certificate()
        assert shown(port) == first
        port.clock.ahead = 61 * DAY
        port.server.refresh_certificate()
        port.clock.ahead = 0
        with pytest.raises(ssl.SSLCertVerificationError, match="not yet valid"):
            shown(port)  # it was made for a time that has not come
        port.server.refresh_certificate()
        assert shown(port).serial_number != first.serial_number
        assert ask(Address(*port.address), known.context(), "me")


def test_a_certificate_that_several_ports_show_is_renewed_on_each(tmp_path: Path) -> None:
    clock = Clock()
    authority = Authority.own(tmp_path / "pki", clock)
    certificate = IssuedCertificate(tmp_path / "pki", authority, NAMES)
    page = page_context(certificate)
    with serving(tmp_path, authority=authority, certificate=certificate, clock=clock) as port:
        assert shown(port)
        clock.ahead = 61 * DAY
        show_newest(page, certificate)  # the page looks first
        port.server.refresh_certificate()
        with pytest.raises(ssl.SSLCertVerificationError, match="not yet valid"):
            shown(port)  # it was made for a time that has not come


def test_other_names_take_another_certificate(tmp_path: Path) -> None:
    authority = Authority.own(tmp_path)
    first = IssuedCertificate(tmp_path, authority, ["a.example.org"]).files[0].read_bytes()
    assert IssuedCertificate(tmp_path, authority, ["a.example.org"]).files[0].read_bytes() == first
    made = IssuedCertificate(tmp_path, authority, ["a.example.org", "192.0.2.1", "2001:db8::1"])
    certificate = x509.load_pem_x509_certificate(made.files[0].read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example.org"]
    assert [str(found) for found in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.1", "2001:db8::1"]
    assert not made.refresh()
    made.files[1].write_bytes(b"")
    assert made.refresh()


def test_the_operators_authority(tmp_path: Path) -> None:
    files, _ = operators(tmp_path)
    authority = Authority.given(*files)
    with serving(tmp_path / "server", authority=authority) as port:
        known = port.enrol(tmp_path / "agent")
        assert ask(Address(*port.address), known.context(), "me")
        assert not (tmp_path / "server" / "pki" / "ca.key").exists()
        assert identity.pinned_pem(known.authority) == identity.pinned_pem(files[0].read_text())


@pytest.mark.parametrize("said", ["the last of the chain", "a file of its own"])
def test_the_operators_certificate(tmp_path: Path, said: str) -> None:
    (root, _), ca = operators(tmp_path)
    leaf = ca.issue_cert("localhost")
    chain, key = tmp_path / "chain.pem", tmp_path / "chain.key"

    def write(made: trustme.LeafCert) -> None:
        chain.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems) + root.read_bytes())

    write(leaf)
    leaf.private_key_pem.write_to_path(key)
    given = GivenCertificate(chain, key, root if said == "a file of its own" else None)
    with serving(tmp_path / "server", certificate=given) as port:
        known = port.enrol(tmp_path / "agent")
        assert ask(Address(*port.address), known.context(), "me")
        first = shown(port)
        # The operator replaces the files; a half-written one is not taken.
        chain.write_bytes(b"-----BEGIN")
        port.server.refresh_certificate()
        assert shown(port) == first
        leaf = ca.issue_cert("localhost")
        write(leaf)
        port.server.refresh_certificate()
        assert shown(port) == first  # and neither is a new certificate beside the old key
        leaf.private_key_pem.write_to_path(key)
        port.server.refresh_certificate()
        assert shown(port) != first
        assert ask(Address(*port.address), known.context(), "me")


def operators(folder: Path) -> tuple[tuple[Path, Path], trustme.CA]:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "root.pem")
    ca.private_key_pem.write_to_path(folder / "root.key")
    return (folder / "root.pem", folder / "root.key"), ca


def test_what_the_operator_gives_is_checked(tmp_path: Path) -> None:
    (root, key), ca = operators(tmp_path)
    leaf = ca.issue_cert("localhost")
    leaf.private_key_pem.write_to_path(tmp_path / "leaf.key")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "leaf.pem")
    for certificate, its_key, said in (
        (root, tmp_path / "leaf.key", "is not the key of"),
        (tmp_path / "leaf.pem", tmp_path / "leaf.key", "is no authority's certificate"),
        (key, key, "holds no certificate"),
        (root, root, "holds no key"),
        (tmp_path / "absent", key, "cannot read"),
    ):
        with pytest.raises(StoreError, match=said):
            Authority.given(certificate, its_key)
    with pytest.raises(StoreError, match="has expired"):
        Authority.given(root, key, Clock(1_100 * 365 * DAY))


def test_names_of_a_server() -> None:
    assert listening_names("127.0.0.1") == ("localhost", "127.0.0.1", "::1")
    everywhere = listening_names("0.0.0.0", ["virtscope.example.org"])
    assert everywhere[0] == "virtscope.example.org"
    assert {socket.gethostname(), "localhost", *NAMES} <= set(everywhere)
    assert "192.0.2.7" in listening_names("192.0.2.7")
    with pytest.raises(BadInput, match="is no name"):
        listening_names("127.0.0.1", ["a b"])
