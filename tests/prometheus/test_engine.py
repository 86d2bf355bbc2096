"""What is said of an engine that does not answer, or not as it should; and how one is let in."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.prometheus.answering import answering
from tests.running import free_port
from virtscope.catalogue import Scope
from virtscope.errors import EngineError
from virtscope.prometheus.engine import Access, Engine
from virtscope.prometheus.naming import Naming
from virtscope.sample import DomainFacts, NicFacts


def asked(url: str, **rest: object) -> list[object]:
    return list(Engine(Access(url, **rest)).at("up", 0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "answer", "said"),
    [
        (200, b"<html>", "not as Prometheus does"),
        (401, b"", "does not let this server in"),
        (422, b'{"status":"error","error":"too many samples"}', "refuses a query: too many samples"),
        (502, b"bad gateway", "answers with status 502"),
    ],
)
def test_what_it_says_is_told(status: int, answer: bytes, said: str) -> None:
    with answering(lambda _request, _body: (status, answer)) as url, pytest.raises(EngineError, match=said) as raised:
        asked(url)
    assert url in str(raised.value)
    assert raised.value.hint


def test_one_that_is_not_there() -> None:
    with pytest.raises(EngineError, match="does not answer: Connection refused"):
        asked(f"http://127.0.0.1:{free_port()}")


def test_what_is_no_number_is_not_known() -> None:
    answer = b'{"status":"success","data":{"result":[{"metric":{"a":"b"},"value":[0,"%s"]}]}}'
    for text in (b"NaN", b"+Inf"):
        with answering(lambda _request, _body, text=text: (200, answer % text)) as url:  # type: ignore[misc]
            assert asked(url) == [({"a": "b"}, None)]


def test_it_is_told_who_asks(tmp_path: Path) -> None:
    """The secret is read anew for every question, for it is changed now and then."""
    heard: list[tuple[str | None, str | None, list[str]]] = []

    def answer(request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        told = request.headers["Authorization"], request.headers["X-Scope-OrgID"]
        heard.append((*told, parse_qs(body.decode())["query"]))
        return 200, b'{"status":"success","data":{"result":[]}}'

    secret = tmp_path / "secret"
    with answering(answer) as url:
        for word in ("one", "two"):
            secret.write_text(f"{word}\n")
            asked(url, token_file=secret, headers={"X-Scope-OrgID": "ops"})
        asked(url, user="me", password_file=secret)
    assert heard[:2] == [("Bearer one", "ops", ["up"]), ("Bearer two", "ops", ["up"])]
    assert heard[2][0] == "Basic bWU6dHdv"


def test_names_are_names_and_no_patterns() -> None:
    """Of a host called ``a.b`` nobody else's series are asked for; and a quote does not end the query."""
    naming = Naming({"1": 'a.b"}) or x{a="', "2": "kvm2"}, tuple)
    assert naming.matcher(Scope.HOST, ["1"]) == r'host=~"a\\.b\"\\}\\) or x\\{a=\""'
    assert naming.key(Scope.CELL, {"host": "kvm2", "cell": "1"}) == ("2", 1)
    assert naming.key(Scope.CELL, {"host": "gone", "cell": "1"}) == ("gone", 1)


def test_interfaces_have_their_address_again() -> None:
    described = DomainFacts("d", "web", "1", nics=(NicFacts("52:54:00:00:00:01", "vnet0"), NicFacts("m2", "")))
    naming = Naming({}, lambda: [described])
    labels = {"uuid": "d", "host": "kvm1"}
    assert naming.key(Scope.NIC, {**labels, "target_device": "vnet0"}) == ("d", "52:54:00:00:00:01", "vnet0")
    assert naming.key(Scope.NIC, {**labels, "target_device": "m2"}) == ("d", "m2", "")
    assert naming.key(Scope.NIC, {**labels, "target_device": "vnet7"}) == ("d", "", "vnet7")
