"""Which connection URIs are allowed."""

from __future__ import annotations

import pytest

from virtscope.agent.uri import host_name, parse, parse_all
from virtscope.errors import BadUri


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "qemu:///session",
        "test:///default",
        "qemu+ssh://root@kvm1/system?keyfile=/root/.ssh/id&no_tty=1",
        "qemu+unix:///system?socket=/run/libvirt/libvirt-sock",
        "qemu+tls://kvm1.example:16514/system",
        "qemu+tcp://[::1]/system",
        "qemu+tcp://[2001:db8::1]:16509/system",
        "qemu+libssh2://kvm1/system?sshauth=agent,privkey&known_hosts=/k&known_hosts_verify=auto",
        "qemu+libssh2://first.last@kvm1./system?mode=direct&proxy=native",
        "qemu:///system?proxy=auto",
        "qemu+tls://kvm1/system?pkipath=/etc/pki/a+b",
        "qemu:/system",
        "lxc:///system",
        "xen:///system",
        "ch:///system",
        "bhyve:///system",
        "vbox:///session",
        "vz:///system",
        "esx://root@esx1",
        "hyperv://hyperv1/",
    ],
)
def test_allowed(uri: str) -> None:
    assert parse(uri).text == uri


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "qemu",
        "/etc/passwd",
        "http://example/",
        "qemu+ext:///system?command=/bin/sh",
        "qemu+ssh://kvm1/system?command=/bin/sh",
        "qemu+ssh://kvm1/system?netcat=/bin/sh",
        "qemu+ssh://-oProxyCommand=x/system",
        "libxl:///system",
        "qemu+ssh://-oProxyCommand=x@h/system",
        "qemu+ssh://-oProxyCommand@h/system",
        "qemu+ssh://%2DoProxyCommand@h/system",
        "qemu+ssh://root:secret@h/system",
        "qemu+ssh://a@b@h/system",
        "qemu+ssh://@h/system",
        "qemu+ssh://root@/system",
        "qemu+ssh://%2Dh/system",
        "qemu+ssh://h%00/system",
        "qemu+ssh://h;x/system",
        "qemu+ssh://h\n/system",
        "qemu+ssh://h\\x/system",
        "qemu+ssh://kvм/system",
        "qemu+ssh://[fe80::1%25eth0]/system",
        "qemu+ssh://[kvm1]/system",
        "qemu+ssh://a[::1]/system",
        "qemu+ssh://[::1/system",
        "qemu+ssh://h:0/system",
        "qemu+ssh://h:65536/system",
        "qemu+ssh://h:/system",
        "qemu+ssh://127.1/system",
        "qemu+ssh://0x7f000001/system",
        "qemu+ssh://h/%73ystem",
        "qemu+ssh://h/system/../x",
        "qemu+ssh://h/system#x",
        "qemu:///embed?root=/tmp/x",
        "qemu:///system?root=/tmp/x",
        "test:///etc/passwd",
        " qemu:///system",
        "QEMU:///system",
        "qemu:////system",
        "qemu:///system?",
        "qemu:///system?socket",
        "qemu:///system?socket=",
        "qemu:///system?socket=relative",
        "qemu:///system?socket=/a&socket=/b",
        "qemu:///system?socket=/a;command=/bin/sh",
        "qemu:///system?no_tty=1;command=/bin/sh",
        "qemu:///system?no_tty=2",
        "qemu:///system?Command=/bin/sh",
        "qemu:///system?x=1&command=/bin/sh",
        "qemu+ssh://h/system?keyfile=/a$(id)",
        "qemu+ssh://h/system?keyfile=/a'b",
        "qemu+ssh://h/system?keyfile=/a%27b",
        "qemu+ssh://h/system?keyfile=-oProxyCommand",
        "qemu+ssh://h/system?mode=other",
        "qemu+ssh://h/system?proxy=netcat",
        "qemu+ssh://h/system?sshauth=agent,",
        "qemu+ssh://h/system?known_hosts_verify=no",
    ],
)
def test_refused(uri: str) -> None:
    with pytest.raises(BadUri) as refused:
        parse(uri)
    assert refused.value.hint


@pytest.mark.parametrize("parameter", ["no_verify=1", "no_verify=0", "known_hosts_verify=ignore"])
def test_leaving_the_host_unverified_must_be_allowed(parameter: str) -> None:
    uri = f"qemu+libssh2://kvm1/system?{parameter}"
    for check in (parse, lambda text: parse_all([text])):
        with pytest.raises(BadUri) as refused:
            check(uri)
        assert "--allow-no-verify" in refused.value.hint
    assert parse(uri, allow_no_verify=True).text == uri
    assert parse_all([uri], allow_no_verify=True)[0].text == uri


def test_parts() -> None:
    parsed = parse("qemu+tls://root@KVM1.example.:16514/system")
    assert (parsed.driver, parsed.transport, parsed.host, parsed.port, parsed.path) == (
        "qemu",
        "tls",
        "kvm1.example",
        16514,
        "/system",
    )
    assert parse("qemu:///system").host == ""


def test_host_names() -> None:
    assert host_name("KVM-1.Example.org.") == "kvm-1.example.org"
    assert host_name("2001:DB8:0::1") == "2001:db8::1"
    assert host_name("a" * 63 + "." + "b" * 63)
    for bad in (
        "",
        ".",
        "a..b",
        "-a",
        "a-",
        "a" * 64,
        "a." * 127 + "a",
        "[::1]",
        "::1%1",
        "1.2.3",
        "1.2.3.256",
        "x.0x1",
    ):
        with pytest.raises(BadUri):
            host_name(bad)
