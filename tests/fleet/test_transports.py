"""Hosts that are reached as real ones are: by SSH, TLS and TCP, each with a libvirtd of its own, in one process."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import libvirt
import pytest

from lab.host import Host
from lab.keys import Keys
from lab.lab import Lab
from lab.spec import GuestSpec, HostSpec
from tests.agent.test_collector import Sink, watching
from tests.running import until
from virtscope.agent.hypervisor import Hypervisor
from virtscope.agent.uri import parse
from virtscope.catalogue import Scope
from virtscope.sample import LinkState, Sample

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def reached() -> Iterator[Lab]:
    """Three hosts that listen, a guest each, and an ``ssh`` that knows them."""
    with (
        tempfile.TemporaryDirectory(prefix="vs-", dir="/var/tmp") as folder,
        Lab(Path(folder)) as made,
        pytest.MonkeyPatch.context() as patch,
    ):
        made.up([HostSpec(f"reached{n}", (GuestSpec(f"far{n}"),), listens=True) for n in (1, 2, 3)])
        patch.setenv("PATH", f"{made.hosts[0].keys.programs}:{os.environ['PATH']}")
        yield made


def samples(sink: Sink, uri: str) -> list[Sample]:
    return [sample for batch in list(sink.batches) if batch.agent == uri for sample in batch.samples]


def reason(sink: Sink, uri: str) -> str:
    """Why a host is down, as soon as it is."""
    until(lambda: LinkState.DOWN in sink.states(uri), f"{uri} being down")
    links = [link for batch in list(sink.batches) for link in batch.links if link.uri == uri]
    return next(link.reason for link in links if link.state is LinkState.DOWN and link.reason)


def goes_on(sink: Sink, uri: str) -> bool:
    """Whether new samples of a host come in."""
    before = len(samples(sink, uri))
    return bool(until(lambda: len(samples(sink, uri)) > before + 2, f"samples by {uri}"))


def test_every_transport_at_once_in_one_process(reached: Lab) -> None:
    first, second, third = reached.hosts
    hosts = {
        first.ssh_uri: first,
        first.uri: first,
        second.tls_uri: second,
        second.libssh2_uri: second,
        third.tcp_uri: third,
    }
    with watching(*hosts) as sink:
        for uri, host in hosts.items():
            assert goes_on(sink, uri)
            guest = host.guest_uuid(host.name.replace("reached", "far"))
            for sample in samples(sink, uri):
                assert sample.host == host.uuid
                assert [row[0] for row in sample.rows[Scope.DOMAIN]] == [guest]
                assert sample.rows.get(Scope.VCPU, True), "what libvirt adds to the kernel's figures has no vCPUs"
    assert sink.reasons() == []


def other_key(host: Host, other: Keys, folder: Path) -> str:
    return host.ssh_uri.replace(str(host.keys.client), str(other.client))


def other_key_by_libssh2(host: Host, other: Keys, folder: Path) -> str:
    return host.libssh2_uri.replace(str(host.keys.client), str(other.client))


def unknown_host_key(host: Host, other: Keys, folder: Path) -> str:
    return host.libssh2_uri.replace(str(host.keys.known_hosts), str(other.known_hosts))


def other_authority(host: Host, other: Keys, folder: Path) -> str:
    return host.tls_uri.replace(str(host.keys.client), str(other.client))


def own_certificate_of_another_authority(host: Host, other: Keys, folder: Path) -> str:
    shutil.copytree(other.client, folder / "own")
    shutil.copy(host.keys.client / "cacert.pem", folder / "own")
    return host.tls_uri.replace(str(host.keys.client), str(folder / "own"))


def host_refuses_the_certificate(host: Host, other: Keys, folder: Path) -> str:
    """We trust both authorities, the host does not."""
    shutil.copytree(other.client, folder / "both")
    with (folder / "both/cacert.pem").open("a") as trusted:
        trusted.write((host.keys.client / "cacert.pem").read_text())
    return host.tls_uri.replace(str(host.keys.client), str(folder / "both"))


def no_certificates(host: Host, other: Keys, folder: Path) -> str:
    return host.tls_uri.replace(str(host.keys.client), str(folder))


REFUSED: dict[Callable[[Host, Keys, Path], str], str] = {
    other_key: "authorized_keys",
    other_key_by_libssh2: "authorized_keys",
    unknown_host_key: "known_hosts=",
    other_authority: "signed the host's certificate",
    own_certificate_of_another_authority: "signed clientcert.pem",
    host_refuses_the_certificate: "does not accept clientcert.pem",
    no_certificates: "pkipath=",
}


def test_wrong_keys_are_told_and_cost_no_other_host(reached: Lab, tmp_path: Path) -> None:
    first, second, third = reached.hosts
    other = Keys(tmp_path / "other")
    other.make()
    refused = {make((first, second)[n % 2], other, tmp_path): hint for n, (make, hint) in enumerate(REFUSED.items())}
    with watching(third.tcp_uri, *refused) as sink:
        for uri, hint in refused.items():
            assert hint in reason(sink, uri)
            assert samples(sink, uri) == []
        assert goes_on(sink, third.tcp_uri)
        assert LinkState.DOWN not in sink.states(third.tcp_uri)


@pytest.mark.parametrize("uri", ["ssh_uri", "libssh2_uri"])
def test_the_pinned_key_cannot_write(reached: Lab, uri: str) -> None:
    """Whoever has it may ask for a read-write connection, and gets a read-only one."""
    host = reached.host("reached1")
    connection = libvirt.open(getattr(host, uri))
    try:
        with pytest.raises(libvirt.libvirtError) as refused:
            connection.lookupByName("far1").destroy()
        assert refused.value.get_error_code() == libvirt.VIR_ERR_OPERATION_DENIED
    finally:
        connection.close()
    assert host.guests() == [("far1", "running")]


WRITES: dict[str, Callable[[Any], object]] = {
    "start": lambda connection: connection.lookupByName("far1").create(),
    "stop": lambda connection: connection.lookupByName("far1").destroy(),
    "undefine": lambda connection: connection.lookupByName("far1").undefine(),
    "define": lambda connection: connection.defineXML(connection.lookupByName("far1").XMLDesc()),
    "create": lambda connection: connection.createXML(connection.lookupByName("far1").XMLDesc()),
}


@pytest.mark.parametrize("write", WRITES)
def test_the_agents_own_connection_cannot_write(reached: Lab, write: str) -> None:
    host = reached.host("reached1")
    hypervisor = Hypervisor(parse(host.uri), lambda _event: None)
    try:
        with pytest.raises(libvirt.libvirtError) as refused:
            WRITES[write](hypervisor._connection)
        assert refused.value.get_error_code() == libvirt.VIR_ERR_OPERATION_DENIED
    finally:
        hypervisor.close()
    assert host.guests() == [("far1", "running")]


def test_a_libvirtd_that_hangs_costs_only_its_host(reached: Lab) -> None:
    first, second, third = reached.hosts
    with watching(first.ssh_uri, second.tls_uri, third.tcp_uri) as sink:
        for uri in (first.ssh_uri, second.tls_uri, third.tcp_uri):
            assert goes_on(sink, uri)
        hung = second.libvirtd
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        try:
            assert "no answer within" in reason(sink, second.tls_uri)
            assert goes_on(sink, first.ssh_uri)
            assert goes_on(sink, third.tcp_uri)
        finally:
            os.kill(hung, signal.SIGCONT)
        until(lambda: sink.states(second.tls_uri)[-1] is LinkState.UP, "the host's coming back")
        assert goes_on(sink, second.tls_uri)
        assert LinkState.DOWN not in sink.states(first.ssh_uri) + sink.states(third.tcp_uri)


def test_a_host_takes_its_wire_along(reached: Lab, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="vs-", dir="/var/tmp") as folder, Lab(Path(folder)) as second:
        second.up([HostSpec("brief", listens=True)])
        address = second.host("brief").address
        assert address not in [host.address for host in reached.hosts]
        before = wires()
        assert len(before) >= 4
        second.down()
        until(lambda: len(wires()) < len(before), "the wire's being gone")


def wires() -> set[str]:
    return {path.name for path in Path("/sys/class/net").glob("vslab*")}
