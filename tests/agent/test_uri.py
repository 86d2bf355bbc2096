"""Which connection URIs are allowed."""

from __future__ import annotations

import pytest

from virtscope.agent.uri import parse
from virtscope.errors import BadUri


@pytest.mark.parametrize(
    "uri",
    [
        "qemu:///system",
        "qemu:///session",
        "test:///default",
        "qemu+ssh://root@kvm1/system?keyfile=/root/.ssh/id&no_verify=1",
        "qemu+unix:///system?socket=/run/libvirt/libvirt-sock",
        "qemu+tls://kvm1.example:16514/system",
        "qemu+tcp://[::1]/system",
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
        "qemu:///system?proxy=native",
    ],
)
def test_refused(uri: str) -> None:
    with pytest.raises(BadUri) as refused:
        parse(uri)
    assert refused.value.hint
