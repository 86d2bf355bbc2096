"""Rules, by promtool and against a real Prometheus; and the examples around them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.debian.product import PRODUCTS
from deploy.prometheus.__main__ import FOLDER, files
from tests.ecosystem.prometheus import Prometheus
from tests.ecosystem.recorded_fleet import END
from virtscope.exposition import own

ROOT = FOLDER.parent
TESTS = sorted((FOLDER / "tests").glob("*.yaml"))


def rules(kind: str) -> list[dict[str, Any]]:
    """Every ``record`` or ``alert`` of the files."""
    groups = [group for path in files() for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def passes(*command: str, folder: Path = FOLDER) -> str:
    """What a command says; it must succeed."""
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return made.stdout + made.stderr


def test_the_files_are_current() -> None:
    assert {path: path.read_text() for path in files()} == files(), "run: python -m deploy.prometheus"


def test_promtool_has_no_complaint() -> None:
    passes("promtool", "check", "rules", "--lint-fatal", *map(str, files()))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_rules_pass_their_tests(path: Path) -> None:
    passes("promtool", "test", "rules", str(path))


def test_every_alert_is_seen_to_fire() -> None:
    """In the rules' own tests, and with each of its severities."""
    fired = "".join(re.findall(r"exp_samples:.*?(?=\n {6}- expr|\n {2}- name|\Z)", _tests(), re.DOTALL))
    for rule in rules("alert"):
        assert rule["alert"] in fired or rule["alert"] == "VirtscopeCertificateExpires", rule["alert"]
    assert _tests().count("exp_samples: []") >= 4, "nothing is seen not to fire"


def _tests() -> str:
    return "".join(path.read_text() for path in TESTS)


@pytest.mark.parametrize("rule", rules("record"), ids=lambda rule: rule["record"])
def test_what_is_recorded_is_there(scraping: Prometheus, rule: dict[str, Any]) -> None:
    found = scraping.query(rule["expr"], END)
    assert found
    assert not any("instance" in series["metric"] or "job" in series["metric"] for series in found)


@pytest.mark.parametrize("rule", rules("alert"), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_what_alerts_compare_is_exposed(scraping: Prometheus, rule: dict[str, Any]) -> None:
    scraping.query(rule["expr"], END)  # answers 200: what is joined fits
    recorded = {one["record"] for one in rules("record")}
    ours = {figure.name for figure in (*own.PROCESS, *own.AGENT, *own.SERVER)}
    for name in re.findall(r"\b(?:libvirt|virtscope)_[\w:]+(?=[{\[ )])", rule["expr"]):
        assert name in recorded | ours or scraping.query(name, END), name


def test_what_openstack_s_page_asks_is_answered(scraping: Prometheus) -> None:
    page = (ROOT.parent / "docs/openstack.md").read_text()
    # One exporter's series alone: here two tell of the same domains.
    page = page.replace("libvirt_domain_openstack_info", 'libvirt_domain_openstack_info{host!=""}')
    blocks = re.findall(r"^ *```(?:yaml)?\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE)
    asked = [block for block in blocks if "group_left" in block and "record:" not in block]
    made = [yaml.safe_load(block)[0]["expr"] for block in blocks if "record:" in block]
    expressions = {rule["record"]: rule["expr"] for rule in rules("record")}
    assert (len(asked), len(made)) == (2, 1)
    for query in [*asked, *made]:
        recorded = re.search(r"virtscope_\w+:[\w:]+", query)
        filled = query.replace(recorded[0], f"({expressions[recorded[0]]})") if recorded else query
        found = scraping.query(filled, END)
        assert found
        for series in found:
            told = {"project_name": "shop", "project_id": "p-1", "instance_name": "web-1"}
            assert any(series["metric"].get(label) == value for label, value in told.items()), filled


def test_examples_are_configurations(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch()
    for name in ("prometheus", "vmagent"):
        made = (FOLDER / f"{name}.yaml").read_text().replace("virtscope-token", str(token))
        for other in ("recording-rules.yaml", "alerting-rules.yaml", "hosts/"):
            made = made.replace(other, f"{FOLDER}/{other}")
        (tmp_path / "checked.yaml").write_text(made)
        assert "SUCCESS" in passes("promtool", "check", "config", str(tmp_path / "checked.yaml"))
    targets = yaml.safe_load((FOLDER / "hosts/example.yaml").read_text())
    assert all(target.endswith(":9177") for group in targets for target in group["targets"])


ROUTES = [
    ({"alertname": "VirtscopeHostDown", "severity": "critical"}, "on-call,team"),
    ({"alertname": "VirtscopeDomainSteal", "severity": "warning"}, "team"),
    ({"alertname": "SomebodyElses"}, "team"),
]


@pytest.mark.parametrize(("labels", "receivers"), ROUTES, ids=["critical", "warning", "other"])
def test_alertmanager_tells_whom_it_should(labels: dict[str, str], receivers: str) -> None:
    given = [f"{name}={value}" for name, value in labels.items()]
    passes(
        *("amtool", "config", "routes", "test", "--config.file=alertmanager.yaml"),
        *(f"--verify.receivers={receivers}", *given),
    )


def test_alertmanager_s_rules_name_alerts_and_labels_that_there_are() -> None:
    passes("amtool", "check-config", "alertmanager.yaml")
    known = {rule["alert"] for rule in rules("alert")}
    scopes = {rule["labels"]["scope"] for rule in rules("alert")}
    for rule in yaml.safe_load((FOLDER / "alertmanager.yaml").read_text())["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            label, value = re.split(r" (?:=~|!=|=) ", matcher)
            if label == "alertname":
                assert value in known
            elif label == "scope":
                assert set(value.strip('"').split("|")) <= scopes


def test_the_collector_scrapes_and_its_pipeline_is_whole(tmp_path: Path) -> None:
    made = yaml.safe_load((ROOT / "opentelemetry/collector.yaml").read_text())
    for pipeline in made["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert pipeline[part]
            assert set(pipeline[part]) == set(made[part])
    scraped = made["receivers"]["prometheus"]["config"]
    for job in scraped["scrape_configs"]:
        job["authorization"]["credentials_file"] = "/dev/null"
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(scraped))
    passes("promtool", "check", "config", str(tmp_path / "prometheus.yaml"))


def test_grafana_is_told_where_dashboards_are() -> None:
    provisioning = ROOT / "grafana/provisioning"
    sources = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())
    assert [source["type"] for source in sources["datasources"]] == ["prometheus"]
    for provider in yaml.safe_load((provisioning / "dashboards/virtscope.yaml").read_text())["providers"]:
        assert (ROOT / "grafana/dashboards" / Path(provider["options"]["path"]).name).is_dir()


def test_packages_have_all_of_it() -> None:
    packed = {path for product in PRODUCTS for pattern in product.examples for path in ROOT.glob(pattern)}
    for product in PRODUCTS:
        assert all(list(ROOT.glob(pattern)) for pattern in product.examples), product.name
    for folder in ("grafana", "prometheus", "zabbix", "opentelemetry"):
        made = {path for path in (ROOT / folder).rglob("*") if path.suffix in (".yaml", ".json")}
        assert made - packed == set(TESTS) & made
