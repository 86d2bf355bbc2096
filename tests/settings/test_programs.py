"""What the programs make of their settings, and the files to begin with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from virtscope.errors import BadSettings
from virtscope.exposition.names import Dialect
from virtscope.settings import Program, resolve, sources
from virtscope.settings.agent import AGENT, AgentSettings
from virtscope.settings.kinds import Address
from virtscope.settings.pages import example
from virtscope.settings.server import SERVER, UP, KeyPair, ServerSettings, server_here, up_here

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.mark.parametrize("program", [AGENT, SERVER, UP], ids=lambda program: program.name)
def test_the_example_is_the_defaults(program: Program) -> None:
    text = example(program)
    assert not sources.parse(text, "f"), "everything is a comment"
    uncommented = re.sub(r"^#(?=[a-z])", "", text, flags=re.MULTILINE)
    written = sources.parse(uncommented, "f")
    assert set(written) == {setting.name for setting in program.settings}
    found = resolve(
        program, {name: value for name, value in written.items() if name not in program_free(program)}, {}, {}
    )
    assert found.values == resolve(program, {}, {}, {}).values


def program_free(program: Program) -> set[str]:
    """Settings that only make sense with another, and are complained of when somebody writes them without."""
    return {
        setting.name for setting in program.settings if setting.name.startswith(("oidc-", "metrics-", "remote-write-"))
    }


@pytest.mark.parametrize("program", [AGENT, SERVER], ids=lambda program: program.name)
def test_the_delivered_file_loads(program: Program) -> None:
    path = DEPLOY / f"{program.name}.toml"
    resolve(program, sources.read(program, path), {}, {})


def test_an_agent_without_settings() -> None:
    settings = AgentSettings.of(resolve(AGENT, {}, {}, {}))
    assert [uri.text for uri in settings.watching.uris] == ["qemu:///system"]
    assert (settings.watching.pace.interval, settings.watching.pace.libvirt) == (10.0, 30.0)
    assert settings.metrics == Address("127.0.0.1", 9177)
    assert (settings.spool_bytes, settings.sync_seconds, settings.replay_seconds) == (256 << 20, 5.0, 900.0)
    assert settings.dialect is Dialect.INOVEX
    assert settings.server == ""


def test_up_and_server_without_settings() -> None:
    up = ServerSettings.of(resolve(up_here({"HOME": "/home/ada"}, root=True), {}, {}, {}))
    assert [uri.text for uri in up.watching.uris] == ["qemu:///system"]
    assert up.data == Path("/home/ada/.local/state/virtscope")
    assert up.agents_listen is None
    assert not up.login
    server = ServerSettings.of(resolve(server_here({}, root=True), {}, {}, {}))
    assert server.watching.uris == []
    assert server.data == Path("/var/lib/virtscope")
    assert server.agents_listen == Address("0.0.0.0", 8421)


def test_a_server_with_much() -> None:
    flags = {
        "listen": "0.0.0.0:443",
        "names": ["Monitor.example.org", "192.0.2.1"],
        "tls-cert": "/c",
        "tls-key": "/k",
        "oidc-issuer": "https://idp.example.org",
        "oidc-client-id": "virtscope",
        "oidc-client-secret-file": "/s",
        "oidc-roles": ["cn=ops,dc=x=operator", "all=viewer"],
        "oidc-projects": ["team=web", "team=db"],
    }
    settings = ServerSettings.of(resolve(SERVER, {}, {}, flags))
    assert settings.login
    assert settings.names == ("monitor.example.org", "192.0.2.1")
    assert settings.tls == KeyPair(Path("/c"), Path("/k"))
    assert settings.oidc is not None
    assert settings.oidc.roles == {"cn=ops,dc=x": "operator", "all": "viewer"}
    assert settings.oidc.projects == {"team": {"web", "db"}}
    assert settings.oidc.default_role is None


@pytest.mark.parametrize(
    ("program", "flags", "words"),
    [
        (SERVER, {"listen": "0.0.0.0:8420", "login": False}, ["login cannot be off"]),
        (SERVER, {"listen": "kvm1:8420", "login": False}, ["login cannot be off"]),
        (SERVER, {"listen": ""}, ["listen is empty"]),
        (SERVER, {"listen": "0.0.0.0:8421"}, ["a port of their own"]),
        (SERVER, {"tls-cert": "/c"}, ["tls-key is missing"]),
        (SERVER, {"ca-key": "/c"}, ["ca-cert is missing"]),
        (SERVER, {"names": ["-x"]}, ["no host name"]),
        (SERVER, {"oidc-client-id": "x"}, ["oidc-issuer is missing"]),
        (SERVER, {"oidc-issuer": "https://i"}, ["client-id is missing", "secret-file is missing", "nobody could"]),
        (SERVER, {"oidc-issuer": "https://i", "oidc-client-id": "x", "oidc-client-secret-file": "/s",
                  "oidc-roles": ["a=chief", "b=viewer", "b=admin"], "oidc-projects": ["x"]},
         ["a=chief", "two roles for 'b'", "GROUP=PROJECT"]),
        (AGENT, {"connect": ["qemu:///x", "rumour"], "template": "x", "discover": ["rumour:x"]},
         ["path '/x'", "'rumour' is no", "the template", "names no source"]),
        (AGENT, {"connect": ["test:///default"], "allow-write": ["all", "qemu:///system=stats-period"]},
         ["cannot allow to write 'all'", "not watched"]),
        (UP, {"connect": ["test:///default", "test:///default"]}, ["given twice"]),
        (UP, {"connect": ["qemu+ssh://h/system?no_verify=1"]}, ["no_verify"]),
    ],
)  # fmt: skip
def test_what_makes_no_sense_together(program: Program, flags: dict[str, object], words: list[str]) -> None:
    with pytest.raises(BadSettings) as caught:
        resolve(program, {}, {}, flags)
    assert len(caught.value.problems) == len(words)
    for problem, part in zip(caught.value.problems, words, strict=True):
        assert part in problem
        assert problem.startswith("--") or "default:" in problem
