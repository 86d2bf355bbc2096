"""Somebody limited to a project sees nothing of another: on every route there is, and told in the same words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.access import projects
from tests.server.access.projects import CANARIES, MINE, MY_PROJECT, OTHER
from tests.server.access.serving import Client, Served, serving
from virtscope.analysis import registry
from virtscope.catalogue import Scope, quantities_of
from virtscope.server import answers
from virtscope.server.app import description

QUANTITIES = {scope: "&".join(f"quantity={one.name}" for one in quantities_of(scope)[:100]) for scope in Scope}
NAMES = (
    "web",
    MINE,
    "canary-db",
    OTHER,
    "kvm1",
    "h1",
    "canary-kvm2",
    "h2",
    "shared",
    "included",
    "canary-filter",
    "f3",
)
QUERIES = {
    "/api/v1/domains": ["", "?host=h1", "?host=h2", "?host=canary-kvm2", "?search=a", "?state=running"],
    "/api/v1/events": ["", f"?domain={OTHER}", "?domain=canary-db", "?host=h1", "?host=h2", "?since=0"],
    "/api/v1/filters/{name}": ["", "?host=h1", "?host=h2"],
    "/api/v1/analyses/{name}": ["?all=true", "?host=h2", "?project=p-canary"],
    "/metrics": ["", "?dialect=tinkoff"],
}
ABOUT_TIME = [
    f"?scope={scope.value}&{quantities}&start=-300&step=5{chosen}"
    for scope, quantities in QUANTITIES.items()
    if quantities
    for chosen in ("", f"&object={OTHER}", "&object=canary-db", "&object=h1", "&object=h2", f"&object={MINE}")
]
QUERIES |= {"/api/v1/series": ABOUT_TIME, "/api/v1/summary": ABOUT_TIME}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("scoped")) as running:
        yield running


@pytest.fixture(scope="module")
def viewer(served: Served) -> Client:
    return served.user("vera", projects=[MY_PROJECT])


def addresses() -> list[str]:
    """Every GET there is, with every name put into its path, and the queries that matter."""
    found = []
    for path, methods in description()["paths"].items():
        if "get" in methods and not path.startswith("/api/v1/oidc"):
            names = (*NAMES, *registry.NAMES) if "analyses" in path else NAMES
            paths = [path.replace("{name}", name) for name in names] if "{name}" in path else [path]
            found += [one + query for one in paths for query in QUERIES.get(path, [""])]
    return [*found, "/api/v1/analyses/contention?all=true&window=1m&set=step=5s&set=coverage=0"]


@pytest.mark.parametrize("address", addresses())
def test_no_answer_has_anything_of_another_project(viewer: Client, address: str) -> None:
    answer = viewer("GET", address)
    assert answer.status in (200, 403, 404)
    # What he asked for himself is repeated where it is not found.
    told = answer.data if answer.status == 200 else re.sub(rb"'[^']*'", b"", answer.data)
    for canary in CANARIES:
        assert canary not in told.lower(), address


def test_the_canaries_are_there_for_whoever_may_see_them(served: Served) -> None:
    admin = served.admin()
    everything = b"".join(admin("GET", address).data.lower() for address in addresses())
    assert all(canary in everything for canary in CANARIES)
    for scope in Scope:
        if QUANTITIES[scope]:
            answer = admin("GET", f"/api/v1/series?scope={scope.value}&{QUANTITIES[scope]}&start=-300&step=5").json()
            assert answer["series"] or scope in (Scope.IOTHREAD, Scope.PERF), scope


def test_his_own_is_whole(viewer: Client) -> None:
    domain = viewer("GET", "/api/v1/domains/web").json()
    assert (domain["id"], domain["state"], domain["host_name"]) == (MINE, "running", "kvm1")
    assert (len(domain["disks"]), len(domain["nics"]), domain["guest"]["hostname"]) == (1, 1, "my-guest")
    assert [one["id"] for one in viewer("GET", "/api/v1/domains").json()["domains"]] == [MINE]
    assert len(viewer("GET", "/api/v1/domains/web/history").json()["versions"]) == 2
    assert [one["kind"] for one in viewer("GET", "/api/v1/events").json()["events"]] == ["started"]
    assert {one["name"] for one in viewer("GET", "/api/v1/filters").json()["filters"]} == {"shared", "included"}
    series = viewer("GET", f"/api/v1/series?scope=disk&{QUANTITIES[Scope.DISK]}&start=-300&step=5").json()["series"]
    assert {one["object"]["domain"] for one in series} == {MINE}
    [host] = viewer("GET", "/api/v1/hosts").json()["hosts"]
    assert (host["name"], host["state"], host["domains"]) == ("kvm1", "up", {"total": 1, "running": 1})
    assert (host["facts"], host["figures"], host["uri"]) == (None, {}, "")


@pytest.mark.parametrize("tail", ["", "/history", "/filters"])
def test_anothers_domain_is_not_found_as_one_that_does_not_exist(viewer: Client, tail: str) -> None:
    nobody = OTHER.replace("0bad", "feed")
    absent, others = (viewer("GET", f"/api/v1/domains/{name}{tail}") for name in (nobody, OTHER))
    assert absent.status == others.status == 404
    assert absent.json()["detail"].replace(nobody, OTHER) == others.json()["detail"]
    assert absent.json()["hint"] == others.json()["hint"]


def test_a_limit_without_projects_shows_nothing(served: Served) -> None:
    nobody = served.user("nina", projects=[])
    assert nobody("GET", "/api/v1/domains").json()["domains"] == []
    assert nobody("GET", "/api/v1/hosts").json()["hosts"] == []


def test_what_is_told_of_the_whole_fleet_is_not_his_to_silence(served: Served) -> None:
    limited = served.user("olga", "operator", [MY_PROJECT])
    wanted = {"where": f"project:{MY_PROJECT}", "reason": "moving"}
    assert limited("POST", "/api/v1/silences", wanted).status == 403
    silences = served.admin()("GET", "/api/v1/silences").json()["silences"]
    assert [one["reason"] for one in silences] == ["canary"]
    assert limited("DELETE", f"/api/v1/silences/{silences[0]['id']}").status == 403
    assert served.user("olaf", "operator")("POST", "/api/v1/silences", wanted).status == 201


def test_what_one_has_seen_is_not_still_true_for_another(served: Served, viewer: Client) -> None:
    tag = served.admin()("GET", "/api/v1/domains").headers["etag"]
    assert viewer("GET", "/api/v1/domains", If_None_Match=tag).status == 200


def test_a_token_narrows_what_its_maker_sees(served: Served) -> None:
    made = served.admin()("POST", "/api/v1/tokens", {"name": "narrow", "projects": [f"{MY_PROJECT}-name"]}).json()
    domains = served.client(made["token"])("GET", "/api/v1/domains").json()["domains"]
    assert [domain["id"] for domain in domains] == [MINE]


def test_the_live_stream_tells_only_of_his_own(served: Served, viewer: Client) -> None:
    events = [
        answers.EventAnswer(1.0, "h1", "kvm1", OTHER, "canary-db", "stopped", "canary"),
        answers.EventAnswer(2.0, "h1", "kvm1", None, None, "host down", "canary"),
        answers.EventAnswer(3.0, "h1", "kvm1", MINE, "web", "stopped", ""),
    ]
    stream = viewer.stream("/api/v1/live")
    parts = stream.stream(amt=None)
    received = next(parts)
    served.services.live.tell(4.0, 5, events)  # type: ignore[attr-defined]
    while b"event: tick" not in received:
        received += next(parts)
    stream.close()
    told = [json.loads(line[6:])["domain"] for line in received.splitlines() if b"stopped" in line]
    assert told == [MINE]
    assert not any(canary in received for canary in CANARIES)


def test_a_domain_that_changes_hands_goes_with_its_new_project(tmp_path: Path) -> None:
    with serving(tmp_path) as running:
        mine, theirs = running.user("vera", projects=[MY_PROJECT]), running.user("otto", projects=["p-canary"])
        handed = projects._domain(MINE, "web", "p-canary", "shared")
        batch = projects.batches()[0]
        running.services.fleet.apply([type(batch)("a", 1, 9, batch.at, domains=(handed,))])  # type: ignore[attr-defined]
        assert mine("GET", f"/api/v1/domains/{MINE}").status == 404
        assert theirs("GET", f"/api/v1/domains/{MINE}").status == 200
        # What was described while it was another's stays the other's.
        assert theirs("GET", f"/api/v1/domains/{MINE}/history").json()["versions"] == []


def test_every_route_is_guarded(served: Served) -> None:
    stranger = served.client()
    for path, methods in description()["paths"].items():
        for method in methods:
            answer = stranger(method.upper(), path.replace("{name}", "x").replace("{id}", "1"), {})
            open_to_all = path.startswith(("/healthz", "/api/v1/session", "/api/v1/bootstrap", "/api/v1/oidc"))
            if not open_to_all or path.endswith("/password"):
                assert answer.status == 401, (method, path)
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.headers["content-type"] == "application/problem+json"


def test_of_alerts_he_sees_those_of_his_domains(served: Served, viewer: Client) -> None:
    def subjects(client: Client, path: str) -> set[str]:
        answer = client("GET", f"/api/v1/{path}").json()
        return {one["subject"]["domain"] for one in answer["alerts" if path == "alerts" else "entries"]}

    for path in ("alerts", "alerts/history"):
        assert subjects(served.admin(), path) == {MINE, OTHER}
        assert subjects(viewer, path) == {MINE}
    assert viewer("GET", "/api/v1/silences").json() == {"silences": []}
    assert viewer("POST", "/api/v1/silences", {"where": "", "reason": "r"}).status == 403
    assert viewer("GET", "/api/v1/receivers").status == 403
    assert viewer("POST", "/api/v1/alert-rules/trial", {"rule": "every"}).status == 403


def test_an_export_has_a_limit(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    path = "/api/v1/export?scope=domain&quantity=cpu_cores&start=-600&step=60"
    assert served.admin()("GET", path).status == 200
    monkeypatch.setattr("virtscope.server.parameters.LARGEST_EXPORT", 10)
    answer = served.admin()("GET", path)
    assert (answer.status, "10 are the most" in answer.json()["detail"]) == (413, True)
