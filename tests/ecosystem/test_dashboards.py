"""Every query of every dashboard, asked of a real Prometheus."""

from __future__ import annotations

import math
import re

import pytest

from deploy.grafana.__main__ import files
from tests.ecosystem.panels import FILES, answerable, dashboard, filled, queries
from tests.ecosystem.prometheus import Prometheus
from tests.ecosystem.recorded_fleet import END, STEP_MS, STEPS
from tests.running import Running, until

START = END - STEPS * STEP_MS / 1000
EVERYTHING = {"host": ".+", "project": ".*", "domain": "web"}
SOMETHING = {
    "virtscope": {"host": "kvm1", "project": "shop", "domain": "web"},
    "inovex": {"host": "kvm1:9000", "project": "shop", "domain": "web"},
}


def test_the_files_are_current() -> None:
    assert {path: path.read_text() for path in FILES.values()} == files(), "run: python -m deploy.grafana"


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("is_chosen", [False, True], ids=["everything", "something"])
def test_every_query_has_data(scraping: Prometheus, name: str, is_chosen: bool) -> None:
    # A host's dashboard is of one host, and has it by its name.
    chosen = SOMETHING[name.partition("/")[0]] if is_chosen or name.endswith("/host") else EVERYTHING
    asked = list(queries(name))
    assert len(asked) >= 15
    for title, expression in asked:
        made = filled(expression, chosen)
        found = scraping.query(made, END)
        assert found, (title, made)
        assert all(math.isfinite(float(series["value"][1])) for series in found), (title, made)
        if "topk" in made:
            assert len(found) <= 10, (title, made)


@pytest.mark.parametrize("name", ["virtscope/contention", "inovex/contention"])
def test_a_project_has_its_domains_only(scraping: Prometheus, name: str) -> None:
    def domains(project: str) -> set[str]:
        chosen = {**SOMETHING[name.partition("/")[0]], "project": project}
        asked = [made for _, expression in queries(name) if "$project" in (made := expression)]
        assert asked
        return {
            series["metric"]["domain"]
            for expression in asked
            for series in scraping.query(filled(expression, chosen), END)
        }

    assert domains("shop") == {"web"}
    assert domains(".*") == {"web", "db"}
    assert domains("nobody's") == set()


@pytest.mark.parametrize("name", FILES)
def test_variables_offer_what_there_is(scraping: Prometheus, name: str) -> None:
    exporter, _, kind = name.partition("/")
    hosts = {"kvm1", "kvm2"} if exporter == "virtscope" else {"kvm1:9000", "kvm2:9000"}
    expected = {"host": hosts, "project": {"shop"}, "domain": {"web"}}
    variables = {one["name"]: one for one in dashboard(name)["templating"]["list"]}
    assert set(variables) == {"datasource", "host"} | (
        {"project"} if kind in ("fleet", "contention") else {"project", "domain"} if kind == "domain" else set()
    )
    for variable in variables.keys() - {"datasource"}:
        asked = filled(variables[variable]["query"]["query"], {"host": ".+", "project": "shop"})
        found = scraping.label_values(asked, START, END)
        # With inovex' exporter a host is a target, and our server is one, too.
        assert found - {"server:8080"} == expected[variable], asked
        if variables[variable]["multi"]:
            assert variables[variable]["allValue"] in (".+", ".*")
    if "domain" in variables:
        asked = filled(variables["domain"]["query"]["query"], EVERYTHING)
        assert scraping.label_values(asked, START, END) == {"web", "db"}


@pytest.mark.parametrize("name", FILES)
def test_it_is_what_grafana_reads(name: str) -> None:
    made = dashboard(name)
    assert made["schemaVersion"] == 39
    assert len({dashboard(other)["uid"] for other in FILES}) == len(FILES)
    panels = made["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_alerts_that_fire_are_marked(scraping: Prometheus) -> None:
    for name in FILES:
        marks = dashboard(name)["annotations"]["list"]
        assert len(marks) == name.startswith("virtscope/")
        for mark in marks:
            # Nothing fires here; but it is a query, of labels that alerts have.
            assert scraping.query(filled(mark["expr"], {"host": "kvm1"}), END) == []
            assert set(re.findall(r"(\w+)=", mark["expr"])) == {"alertname", "alertstate", "host"}


def test_links_lead_to_dashboards_with_their_variables() -> None:
    by_uid = {(made := dashboard(name))["uid"]: made for name in FILES}
    links = [
        (panel["type"], link["url"])
        for made in by_uid.values()
        for panel in made["panels"]
        for link in panel.get("fieldConfig", {}).get("defaults", {}).get("links", ())
    ]
    assert len(links) > 50
    for kind, link in links:
        target, _, parameters = link.removeprefix("/d/").partition("?")
        variables = {one["name"] for one in by_uid[target]["templating"]["list"]}
        time_range, *given = parameters.split("&")
        assert time_range == "${__url_time_range}"
        assert given
        for part in given:
            name, _, value = part.partition("=")
            assert name.removeprefix("var-") in variables, link
            where = r"__data\.fields" if kind == "table" else r"__field\.labels"
            assert re.fullmatch(rf"\$\{{{where}\.(host|instance|domain):percentencode\}}", value), link


def test_what_a_server_exposes_is_on_the_dashboards(server: Running, scraping: Prometheus) -> None:
    until(lambda: scraping.query('rate(libvirt_host_cpu_idle_seconds_total{instance!="server:8080"}[1m])'), "scrapes")
    said = server.request("/metrics").data.decode()
    (host,) = re.findall(r'libvirt_up\{host="([^"]+)"\} 1', said)
    asked = answerable(said, {"host": host, "project": ".*", "domain": "test"})
    # libvirt's test driver tells little, the lab's agents tell all, in tests/fleet; and its CPUs stand still: by their
    # time nothing can be divided.
    told = [expression for _, expression in asked if "> 0)" not in expression]
    assert len(told) > 20
    scraping.answers(told)
