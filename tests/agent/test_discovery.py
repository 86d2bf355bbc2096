"""Hosts out of files, web servers, DNS and OpenStack, each a real one, and what becomes of them."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.running import until
from virtscope.agent import discovery, following, uri
from virtscope.agent.discovery import targets
from virtscope.agent.discovery.dns_srv import DnsSource
from virtscope.agent.discovery.file import FileSource
from virtscope.agent.discovery.http_sd import HttpSource
from virtscope.agent.discovery.openstack import OpenStackSource
from virtscope.agent.discovery.template import DEFAULT, Template
from virtscope.agent.discovery.watcher import Watcher, merged, pause
from virtscope.agent.pace import Pace
from virtscope.agent.uri import ConnectionUri
from virtscope.errors import BadInput, BadUri, DiscoveryError
from virtscope.sample import Batch, LinkState

WITH_PORT = "qemu+tls://{host}:{port}/system"


def texts(uris: Sequence[ConnectionUri]) -> list[str]:
    return [found.text for found in uris]


def ssh(*hosts: str) -> list[str]:
    return [f"qemu+ssh://{host}/system" for host in hosts]


# ------------------------------------------------------------------------------------------------------------ template


@pytest.mark.parametrize(
    "template",
    [DEFAULT, WITH_PORT, "qemu+ssh://me@{host}:2222/session", "qemu+libssh2://{host}/system?keyfile=/k&mode=direct"],
)
def test_templates(template: str) -> None:
    made = Template(template).uri("kvm1", 7)
    assert made.text == template.replace("{host}", "kvm1").replace("{port}", "7")
    assert "[2001:db8::1]" in Template(template).uri("2001:db8:0::1", 7).text


@pytest.mark.parametrize(
    "template",
    [
        "",
        "qemu:///system",
        "{host}",
        "qemu+ssh://{host}{host}/system",
        "qemu+ssh://{host}@kvm1/system",
        "qemu+ssh://kvm1/{host}",
        "qemu+ssh://kvm1/system?keyfile=/{host}",
        "qemu+ssh://{host}/system?keyfile=/{port}",
        "qemu+ssh://{host}.example.org/system",
        "qemu+{host}://kvm1/system",
        "qemu+ext://{host}/system",
        "qemu+ssh://{host}/system?command=/bin/sh",
        "qemu+ssh://{host}/system?netcat=nc",
        "qemu+ssh://{host}/system?no_verify=1",
        "qemu+ssh://{host}/{x}",
    ],
)
def test_bad_templates_are_refused_at_the_start(template: str) -> None:
    with pytest.raises(BadUri) as refused:
        discovery.parse("file:/hosts", template)
    assert refused.value.hint


def test_a_template_may_leave_hosts_unverified_only_when_allowed() -> None:
    template = "qemu+tls://{host}/system?no_verify=1"
    assert Template(template, allow_no_verify=True).uri("kvm1").text == "qemu+tls://kvm1/system?no_verify=1"
    discovery.parse("file:/hosts", template, allow_no_verify=True)


PARAMETERS = "keyfile=/k&no_tty=1"


@given(
    st.one_of(
        st.text(),
        st.text("abz09-_.:/?#@%[]{}&=;+ \\\n\0é", max_size=40),
        st.from_regex(r"[a-z0-9.-]+(:[0-9]+)?(\?[a-z_]+=[a-z/]+)?", fullmatch=True),
    )
)
@example("kvm1?command=/bin/sh")
@example("kvm1/system?netcat=/bin/sh&x=")
@example("-oProxyCommand=x")
@example("root@kvm1")
@example("{port}")
@example("{host}")
@example("kvm1\n")
@example("::1]/x?command=y#[::1")
@example("fe80::1%25x")
def test_no_name_changes_anything_but_the_host(said: str) -> None:
    for template in (
        f"qemu+ssh://me@{{host}}/system?{PARAMETERS}",
        f"qemu+tls://{{host}}:{{port}}/session?{PARAMETERS}",
    ):
        made = []
        for reading in ((said, 16514), None):
            try:
                made.append(Template(template).uri(*(reading or targets.split(said))))
            except BadUri:
                continue
        before, _, after = template.partition("{host}")
        for found in made:
            host = f"[{found.host}]" if ":" in found.host else found.host
            assert found.text == before + host + after.replace("{port}", str(found.port))
            assert uri.host_name(found.host) == found.host
            assert found.host.isascii()
            assert not set(found.host) & set("/?#@%[]{} \\\n")
            assert not found.host.startswith("-")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("kvm1", ("kvm1", None)),
        ("kvm1:9100", ("kvm1", 9100)),
        ("[::1]:9100", ("::1", 9100)),
        ("[::1]", ("::1", None)),
        ("2001:db8::1", ("2001:db8::1", None)),
    ],
)
def test_targets(said: str, meant: tuple[str, int | None]) -> None:
    assert targets.split(said) == meant


@pytest.mark.parametrize("said", ["kvm1:", "kvm1:x", "kvm1:123456", "[kvm1]", "[::1]x", 7, None, ["kvm1"]])
def test_no_targets(said: object) -> None:
    with pytest.raises(BadUri):
        targets.split(said)


def test_a_port_that_the_template_wants_must_come_and_be_one() -> None:
    for port in (None, 0, 65_536):
        with pytest.raises(BadUri):
            Template(WITH_PORT).uri("kvm1", port)


# ----------------------------------------------------------------------------------------------------------------- file


def test_a_file_of_hosts(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "hosts"
    file.write_bytes(
        "\ufeff# our hosts\n\nkvm1\r\n  kvm2:16514 # the second\n2001:db8::1\nqemu+ssh://root@kvm3/system\nqemu:///system\n"
        "kvmé\n-oProxyCommand=x\nqemu+ssh://kvm4/system?keyfile=/k\nqemu+ext:///system\n".encode()
        + b"B\xfccher\n"
    )
    source = discovery.parse(f"file:{file}")
    expected = [*ssh("kvm1", "kvm2", "[2001:db8::1]", "root@kvm3"), "qemu:///system"]
    assert texts(source.hosts()) == expected
    assert len(caplog.records) == 5
    assert "a URI in a list has no parameters" in caplog.text
    caplog.clear()
    file.write_text(file.read_text(errors="replace") + "kvm5\n")
    assert texts(source.hosts()) == [*expected, *ssh("kvm5")]
    assert not caplog.records, "what was complained of before is not said again"


def test_a_file_is_read_again_only_when_it_changed(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("kvm1")
    os.utime(file, (1e9, 1e9))
    source = FileSource(str(file), Template())
    first = source.hosts()
    assert source.hosts() is first
    file.write_text("kvm2")
    os.utime(file, (1e9, 1e9 + 1))
    assert texts(source.hosts()) == ssh("kvm2")
    other = tmp_path / "other"
    other.write_text("kvm3")
    os.utime(other, (1e9, 1e9 + 1))
    other.replace(file)
    assert texts(source.hosts()) == ssh("kvm3")
    file.write_text("")
    assert texts(source.hosts()) == []


def test_a_file_as_prometheus_has_it(tmp_path: Path) -> None:
    file = tmp_path / "hosts.json"
    file.write_text('[{"targets": ["kvm1:1", "qemu:///system", 7], "labels": {"a": "b"}}, {"targets": ["[::1]:2"]}]')
    assert texts(discovery.parse(f"file:{file}", WITH_PORT).hosts()) == [
        "qemu+tls://kvm1:1/system",
        "qemu+tls://[::1]:2/system",
    ]


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'[{"targets": "x"}]', b"[{}]", b"[" * 100_000, b'[{"targets": ["\xff"]}]']
)
def test_a_malformed_list(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "hosts.json"
    file.write_bytes(content)
    with pytest.raises(DiscoveryError) as refused:
        FileSource(str(file), Template()).hosts()
    assert refused.value.hint


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"#" * (targets.MOST_BYTES + 1))
    (tmp_path / "many").write_text("kvm1\n" * (targets.MOST_TARGETS + 1))
    for name in ("absent", "pipe", "large", "many", "."):
        with pytest.raises(DiscoveryError) as refused:
            FileSource(str(tmp_path / name), Template()).hosts()
        assert refused.value.hint


# ----------------------------------------------------------------------------------------------------------------- HTTP

Answer = tuple[int, dict[str, str], bytes]


class Web:
    """A web server whose answers can be changed."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                web.asked.append(self.path)
                status, headers, body = web.answers.get(self.path.partition("?")[0], (404, {}, b""))
                self.send_response(status)
                for name, value in {"content-length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    self.close_connection = True  # whoever asked has heard enough

            do_POST = do_GET  # noqa: N815  # the base class calls it so

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it so
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def say(self, path: str, document: object, status: int = 200, **headers: str) -> None:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.answers[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.fixture
def web() -> Iterator[Web]:
    made = Web()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_a_list_from_a_web_server(web: Web) -> None:
    web.say("/hosts", [{"targets": ["kvm1:9100", "x y", "kvm2"], "labels": {"__meta": "x"}}])
    source = discovery.parse(f"{web.address}/hosts")
    assert texts(source.hosts()) == ssh("kvm1", "kvm2")
    web.say("/hosts", [])
    assert texts(source.hosts()) == []


def test_redirects(web: Web) -> None:
    web.say("/hosts", [{"targets": ["kvm1"]}])
    web.say("/moved", b"", 302, location="/hosts")
    assert texts(HttpSource(f"{web.address}/moved", Template()).hosts()) == ssh("kvm1")
    web.say("/loop", b"", 301, location="/loop")
    web.say("/file", b"", 302, location="file:///etc/passwd")
    web.say("/tls", b"", 302, location=web.address.replace("http", "https"))
    for path, why in (("/loop", "redirects more than"), ("/file", "no web address"), ("/tls", "from http to https")):
        with pytest.raises(DiscoveryError, match=why):
            HttpSource(web.address + path, Template()).hosts()


def test_answers_that_are_no_list(web: Web) -> None:
    web.say("/error", [{"targets": ["kvm1"]}], 500)
    web.say("/page", b"<html>")
    web.say("/large", b" " * (targets.MOST_BYTES + 1))
    web.say("/packed", b"x", content_encoding="gzip")
    web.say("/many", [{"targets": ["kvm1"] * (targets.MOST_TARGETS + 1)}])
    web.say("/short", b"[]", content_length="1000", connection="close")
    for path in ("/error", "/page", "/large", "/packed", "/many", "/absent"):
        with pytest.raises(DiscoveryError) as refused:
            HttpSource(web.address + path, Template()).hosts()
        assert refused.value.hint


def test_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DiscoveryError, match="Connection refused"):
        HttpSource(f"http://127.0.0.1:{port}/", Template()).hosts()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "file:",
        "dns:",
        "dns:a..b",
        "http:",
        "http://",
        "http://me:secret@web/",
        "ftp://x/",
        "openstack:",
        "openstack:x?by=magic",
        "openstack:?by=host_ip",
    ],
)
def test_no_sources(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        discovery.parse(text)
    assert refused.value.hint
    assert "secret" not in f"{refused.value}{refused.value.hint}"


# ------------------------------------------------------------------------------------------------------------------ DNS


@contextmanager
def name_server(answer: Callable[[], Sequence[str] | dns.rcode.Rcode]) -> Iterator[dns.resolver.Resolver]:
    """A name server on loopback, and a resolver that asks it."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            wire, asker = server.recvfrom(4096)
            if not wire:
                return
            query = dns.message.from_wire(wire)
            response = dns.message.make_response(query)
            said = answer()
            if isinstance(said, dns.rcode.Rcode):
                response.set_rcode(said)
            elif said:
                response.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "SRV", *said))
            server.sendto(response.to_wire(), asker)

    thread = threading.Thread(target=serve)
    thread.start()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], server.getsockname()[1]
    try:
        yield resolver
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"", server.getsockname())
        thread.join()
        server.close()


def test_srv_records() -> None:
    said: list[Sequence[str] | dns.rcode.Rcode] = [
        ["0 0 16514 kvm1.example.org.", "0 0 16515 KVM2.example.org.", r"0 0 1 a\032b.example.org."]
    ]
    with name_server(lambda: said[0]) as resolver:
        source = DnsSource("_libvirt._tcp.example.org", Template(WITH_PORT), resolver=resolver)
        assert sorted(texts(source.hosts())) == [
            "qemu+tls://kvm1.example.org:16514/system",
            "qemu+tls://kvm2.example.org:16515/system",
        ]
        said[0] = ["0 0 0 ."]
        assert texts(source.hosts()) == []
        failures: list[Any] = [dns.rcode.NXDOMAIN, dns.rcode.SERVFAIL, dns.rcode.REFUSED, []]
        for failure in failures:
            said[0] = failure
            with pytest.raises(DiscoveryError) as refused:
                source.hosts()
            assert refused.value.hint


# ------------------------------------------------------------------------------------------------------------ OpenStack


@pytest.fixture
def cloud(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Web:
    """A tiny Keystone and Nova, and a clouds.yaml that leads there."""
    (tmp_path / "clouds.yaml").write_text(
        json.dumps(
            {
                "clouds": {
                    "tiny": {
                        "auth": {
                            "auth_url": f"{web.address}/v3",
                            "username": "u",
                            "password": "p",
                            "project_name": "x",
                            "user_domain_id": "default",
                            "project_domain_id": "default",
                        },
                        "region_name": "R",
                    }
                }
            }
        )
    )
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    links = [{"rel": "self", "href": f"{web.address}/v3"}]
    web.say("/v3", {"version": {"id": "v3.14", "status": "stable", "links": links}})
    endpoint = {"interface": "public", "region": "R", "region_id": "R", "url": f"{web.address}/v2.1", "id": "e"}
    token = {
        "methods": ["password"],
        "expires_at": "2099-01-01T00:00:00.000000Z",
        "issued_at": "2026-01-01T00:00:00.000000Z",
        "user": {"id": "u", "name": "u", "domain": {"id": "default", "name": "Default"}},
        "project": {"id": "x", "name": "x", "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "r", "name": "admin"}],
        "catalog": [{"type": "compute", "name": "nova", "id": "c", "endpoints": [endpoint]}],
    }
    web.say("/v3/auth/tokens", {"token": token}, 201, x_subject_token="secret")
    version = {"id": "v2.1", "status": "CURRENT", "version": "2.90", "min_version": "2.1"}
    web.say("/v2.1", {"version": version | {"links": [{"rel": "self", "href": f"{web.address}/v2.1"}]}})
    web.say("/v2.1/", {"version": version | {"links": [{"rel": "self", "href": f"{web.address}/v2.1"}]}})
    nova = [
        {"id": "1", "hypervisor_hostname": "kvm1.example.org", "host_ip": "192.0.2.1", "hypervisor_type": "QEMU"},
        {"id": "2", "hypervisor_hostname": "kvm2.example.org", "host_ip": "2001:db8::2", "hypervisor_type": "QEMU"},
        {"id": "3", "hypervisor_hostname": "metal", "host_ip": "192.0.2.3", "hypervisor_type": "ironic"},
        {"id": "4", "hypervisor_hostname": "a/b?command=x", "host_ip": None, "hypervisor_type": "QEMU"},
    ]
    web.say("/v2.1/os-hypervisors/detail", {"hypervisors": nova})
    return web


# The library warns of what it will itself do otherwise one day.
the_library_s_own_warnings = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::PendingDeprecationWarning"
)


@the_library_s_own_warnings
def test_hypervisors_of_a_cloud(cloud: Web) -> None:
    assert texts(OpenStackSource("tiny", Template()).hosts()) == ssh("kvm1.example.org", "kvm2.example.org")
    assert texts(OpenStackSource("tiny?by=host_ip", Template()).hosts()) == ssh("192.0.2.1", "[2001:db8::2]")


@the_library_s_own_warnings
def test_a_cloud_that_fails(cloud: Web) -> None:
    cloud.say("/v2.1/os-hypervisors/detail", {"forbidden": {"message": "Policy doesn't allow it"}}, 403)
    with pytest.raises(DiscoveryError, match=r"Policy doesn't allow it|403") as refused:
        OpenStackSource("tiny", Template()).hosts()
    assert "hypervisor list" in refused.value.hint
    cloud.say("/v3/auth/tokens", {}, 302, location="https://127.0.0.1:1/")
    for name in ("tiny", "unknown"):
        with pytest.raises(DiscoveryError):
            OpenStackSource(name, Template()).hosts()


# -------------------------------------------------------------------------------------------------------------- watcher


class Listed:
    """A source whose list is changed by hand."""

    def __init__(self, name: str, *hosts: str) -> None:
        self.name = name
        self.interval = 0.01
        self.answer: Sequence[ConnectionUri] | Exception = ()
        self.looks = 0
        self.list(*hosts)

    def list(self, *hosts: str) -> None:
        self.answer = [Template().uri(host) for host in hosts]

    def hosts(self) -> Sequence[ConnectionUri]:
        self.looks += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def looked(self) -> None:
        """Wait until the newest list is taken."""
        before = self.looks
        until(lambda: self.looks > before + 1, "two more looks")


class Started:
    """What is watched, as told by start and stop."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []

    def start(self, found: ConnectionUri) -> Callable[[], None]:
        self.begun.append(found.text)
        return lambda: self.ended.append(found.text)

    @property
    def now(self) -> list[str]:
        left = list(self.begun)
        for text in self.ended:
            left.remove(text)
        return sorted(left)


@contextmanager
def watching(sources: Sequence[discovery.Source], *fixed: str) -> Iterator[tuple[Watcher, Started]]:
    started = Started()
    watcher = Watcher(sources, [uri.parse(text) for text in fixed], started.start)
    try:
        yield watcher, started
    finally:
        watcher.stop()
    assert started.now == []


def test_hosts_come_and_go() -> None:
    one, two = Listed("one", "kvm1"), Listed("two", "kvm1", "kvm2")
    with watching([one, two], "qemu:///system", "qemu+ssh://root@kvm0/system") as (watcher, started):
        assert started.begun[:2] == ["qemu:///system", "qemu+ssh://root@kvm0/system"]
        until(lambda: set(ssh("kvm1", "kvm2")) <= set(started.now), "the hosts found")
        one.list("kvm0")
        one.looked()
        assert len(started.begun) == 4, "a host that is named twice, or is given, is started once"
        two.list()
        until(lambda: started.ended == ssh("kvm1", "kvm2") or started.ended == ssh("kvm2", "kvm1"), "the end of both")
        two.list("kvm2")
        until(lambda: started.now == sorted(["qemu:///system", *ssh("root@kvm0", "kvm2")]), "the host's coming back")
        assert sorted(texts(watcher.watched)) == started.now


def test_a_source_that_fails_keeps_its_hosts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    source, other = Listed("inventory", "kvm1"), Listed("other", "kvm2")
    with watching([source, other]) as (_, started):
        until(lambda: started.now == ssh("kvm1", "kvm2"), "both hosts")
        for failure in (DiscoveryError("inventory is down", "Start it."), ValueError("odd")):
            source.answer = failure
            source.looked()
            assert started.now == ssh("kvm1", "kvm2")
        assert caplog.text.count("inventory is down. Start it. Its last list stays (1 hosts).") == 1
        assert caplog.text.count("BUG: inventory") == 1
        other.list()
        until(lambda: started.now == ssh("kvm1"), "the other source's host going")
        source.list()
        until(lambda: started.now == [], "the host's going")
        assert caplog.text.count("inventory answers again") == 1


def test_a_host_that_cannot_be_started_is_tried_again() -> None:
    attempts: list[str] = []

    def start(found: ConnectionUri) -> Callable[[], None]:
        attempts.append(found.text)
        if len(attempts) < 3:
            raise RuntimeError("no more threads")
        return lambda: None

    watcher = Watcher([Listed("one", "kvm1")], [], start)
    until(lambda: texts(watcher.watched) == ssh("kvm1"), "the host's start")
    watcher.stop()
    assert attempts == ssh("kvm1") * 3


def test_a_look_that_hangs_does_not_hold_up_the_end() -> None:
    hold, entered = threading.Event(), threading.Event()

    class Hanging(Listed):
        def hosts(self) -> Sequence[ConnectionUri]:
            entered.set()
            hold.wait()
            return super().hosts()

    with watching([Hanging("slow", "kvm1"), Listed("quick", "kvm2")]) as (_, started):
        entered.wait()
        until(lambda: started.now == ssh("kvm2"), "the other source's host")
    hold.set()
    assert started.begun == ssh("kvm2")


def test_given_uris_stay_apart_and_found_ones_do_not() -> None:
    given_ = [uri.parse(f"qemu+unix:///system?socket=/{name}") for name in "ab"]
    found = [uri.parse(text) for text in ("qemu+tls://kvm1/system", "qemu+ssh://me@KVM1./system", "qemu:///system")]
    assert texts(merged(given_, [found, found])) == texts([*given_, found[0], found[2]])


def test_failures_make_looks_seldom_but_not_too_seldom() -> None:
    assert [pause(2, failures) for failures in range(7)] == [2, 4, 8, 16, 32, 60, 60]
    assert [pause(300, failures) for failures in (0, 9, 10_000)] == [300, 300, 300]


def test_a_file_leads_to_a_hypervisor(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("test:///default\n")
    batches: list[Batch] = []

    class Sink:
        def put(self, batch: Batch) -> None:
            batches.append(batch)

    watcher = Watcher(
        [FileSource(str(file), Template(), interval=0.05)],
        [],
        lambda found: following.watch([found], Sink(), Pace.of(0.2)),
    )
    try:
        until(
            lambda: any(link.state is LinkState.UP for batch in batches for link in batch.links), "the host's being up"
        )
        file.write_text("")
        until(lambda: watcher.watched == (), "the host's going")
    finally:
        watcher.stop()
