"""Which of what was written counts; and that all that is wrong is said at once, where it stands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtscope.errors import BadSettings
from virtscope.settings import Program, Setting, Source, Written, resolve
from virtscope.settings.agent import AGENT, METRICS, SPOOL_SIZE
from virtscope.settings.server import SERVER, UP
from virtscope.settings.watching import CONNECT, INTERVAL

VALUES = {"interval": ["1", "2s", "0.5"], "spool-size": ["8M", "64M", "1G"], "log-level": ["debug", "error", "info"]}
"""Good texts of some settings."""
PLACES = (Source.FILE, Source.ENVIRONMENT, Source.FLAG)


def resolved(program: Program, written: dict[Source, dict[str, Any]]) -> Any:
    """What is written, by place and name, put together."""
    file = {
        name: Written(value, f"agent.toml:{number}")
        for number, (name, value) in enumerate(written[Source.FILE].items(), 1)
    }
    variables = {name.upper().replace("-", "_"): value for name, value in written[Source.ENVIRONMENT].items()}
    environment = {program.prefix + name: value for name, value in variables.items()}
    return resolve(program, file, {"HOME": "/root", **environment}, written[Source.FLAG])


@given(
    st.fixed_dictionaries(
        {
            place: st.dictionaries(st.sampled_from(sorted(VALUES)), st.integers(0, 2), max_size=3).map(
                lambda chosen: {name: VALUES[name][number] for name, number in chosen.items()}
            )
            for place in PLACES
        }
    )
)
def test_the_strongest_place_counts(written: dict[Source, dict[str, Any]]) -> None:
    found = resolved(AGENT, written)
    for setting in AGENT.settings:
        having = [place for place in PLACES if setting.name in written[place]]
        if not having:
            assert found[setting] == setting.default
            assert not found.is_given(setting)
            assert found.place(setting) == "default"
            continue
        strongest = having[-1]
        assert found[setting] == setting.read(written[strongest][setting.name])
        assert found.places[setting.name].source is strongest
        assert {Source.FILE: ".toml:", Source.ENVIRONMENT: "VIRTSCOPE_AGENT_", Source.FLAG: "--"}[
            strongest
        ] in found.place(setting)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("program", [AGENT, SERVER, UP], ids=lambda program: program.name)
@given(data=st.data())
def test_whatever_is_written_is_read_or_refused_in_words(program: Program, data: st.DataObject) -> None:
    names = st.sampled_from([setting.name for setting in program.settings]) | st.text(max_size=10)
    file = {name: Written(value, "f") for name, value in data.draw(st.dictionaries(names, JUNK, max_size=5)).items()}
    texts = st.dictionaries(names.map(lambda name: program.prefix + name.upper()), st.text(max_size=10), max_size=3)
    try:
        resolve(program, file, data.draw(texts), data.draw(st.dictionaries(names, st.text(max_size=10), max_size=3)))
    except BadSettings as refused:
        told = (*refused.problems, refused.hint)
    else:
        told = ("nothing",)
    assert all(told)


def problems(program: Program, written: dict[Source, dict[str, Any]]) -> tuple[str, ...]:
    with pytest.raises(BadSettings) as caught:
        resolved(program, written)
    assert caught.value.exit_status == 2
    return caught.value.problems


def test_all_that_is_wrong_is_said_at_once() -> None:
    found = problems(
        AGENT,
        {
            Source.FILE: {"interval": 0, "intervall": 5, "metrics": "here"},
            Source.ENVIRONMENT: {"spool-size": "much", "spool-sizes": "1G"},
            Source.FLAG: {"log-level": "loud"},
        },
    )
    assert sorted(found) == [
        "--log-level: log-level = 'loud' is unknown: it is one of debug, info, warning, error",
        "VIRTSCOPE_AGENT_SPOOL_SIZE: spool-size = 'much' is no size: examples are 64M, 2G, 268435456",
        "VIRTSCOPE_AGENT_SPOOL_SIZES: there is no such variable; is VIRTSCOPE_AGENT_SPOOL_SIZE meant?",
        "agent.toml:1: interval = 0 is less than 0.2s",
        "agent.toml:2: there is no setting 'intervall'; is 'interval' meant?",
        "agent.toml:3: metrics = 'here' is nothing to listen on: write ADDRESS:PORT or [IPv6]:PORT",
    ]


def test_what_is_overridden_is_checked_all_the_same() -> None:
    assert problems(AGENT, {Source.FILE: {"interval": 0}, Source.ENVIRONMENT: {}, Source.FLAG: {"interval": "5"}})


def test_variables_of_others_are_left_alone() -> None:
    kubernetes = {"VIRTSCOPE_SERVER_PORT": "tcp://10.0.0.1:8421", "VIRTSCOPE_SERVER_SERVICE_HOST": "10.0.0.1"}
    assert resolve(SERVER, {}, kubernetes, {}).values == resolve(SERVER, {}, {}, {}).values
    assert resolve(AGENT, {}, {"VIRTSCOPE_SERVER": "http://127.0.0.1:8420"}, {})[METRICS] is not None


CANARY = "canary-5ecret"


@pytest.mark.parametrize(
    "written",
    [
        {Source.FILE: {"oidc-client-secret": CANARY}, Source.ENVIRONMENT: {}, Source.FLAG: {}},
        {Source.FILE: {"oidc-client-secret-file": CANARY}, Source.ENVIRONMENT: {}, Source.FLAG: {}},
        {Source.FILE: {}, Source.ENVIRONMENT: {"oidc-client-secret": CANARY}, Source.FLAG: {}},
        {Source.FILE: {}, Source.ENVIRONMENT: {"oidc-issuer": f"https://u:{CANARY}@idp"}, Source.FLAG: {}},
        {Source.FILE: {}, Source.ENVIRONMENT: {}, Source.FLAG: {"tls-key": f"-----BEGIN {CANARY}"}},
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(written: dict[Source, dict[str, Any]]) -> None:
    found = problems(SERVER, written)
    assert CANARY not in "".join(found)
    assert "oidc" in found[0].lower() or "tls-key" in found[0]


def test_an_empty_text_leaves_out_what_may_be_left_out() -> None:
    file = {"tls-cert": "/a", "tls-key": "/b", "login": False}
    found = resolved(SERVER, {Source.FILE: file, Source.ENVIRONMENT: dict.fromkeys(file, ""), Source.FLAG: {}})
    assert all(found.values[name] is None for name in file)


@pytest.mark.parametrize("program", [AGENT, SERVER, UP], ids=lambda program: program.name)
def test_names_are_one_each(program: Program) -> None:
    names = [setting.name for setting in program.settings]
    assert len(set(names)) == len(names)
    shorts = [setting.short for setting in program.settings if setting.short]
    assert len(set(shorts)) == len(shorts)


def test_values_have_the_types_of_their_settings() -> None:
    found = resolve(AGENT, {}, {}, {"connect": ["test:///default"], "interval": "2", "spool-size": "1G"})
    connect: tuple[str, ...] = found[CONNECT]
    interval: float = found[INTERVAL]
    size: int = found[SPOOL_SIZE]
    assert (connect, interval, size) == (("test:///default",), 2.0, 1 << 30)
    setting: Setting[float] = INTERVAL
    assert setting.shown_default == "10s"
