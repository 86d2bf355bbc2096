"""The template for Zabbix: what it looks for is what is exposed. Its patterns are selectors of Prometheus, too."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from deploy.zabbix.__main__ import PATH, files
from tests.ecosystem.prometheus import Prometheus
from tests.ecosystem.recorded_fleet import END
from tests.running import Running

TEMPLATE: dict[str, Any] = yaml.safe_load(PATH.read_text())["zabbix_export"]["templates"][0]
RULES: list[dict[str, Any]] = TEMPLATE["discovery_rules"]


def everything(node: Any, key: str) -> list[Any]:
    """Every value of a key, however deep."""
    if isinstance(node, dict):
        return [value for name, value in node.items() if name == key] + [
            found for value in node.values() for found in everything(value, key)
        ]
    return [found for value in node for found in everything(value, key)] if isinstance(node, list) else []


def test_the_file_is_current() -> None:
    assert {PATH: PATH.read_text()} == files(), "run: python -m deploy.zabbix"


def test_ids_are_such_as_zabbix_takes_and_nothing_is_shared() -> None:
    ids = everything(yaml.safe_load(PATH.read_text()), "uuid")
    assert len(ids) == len(set(ids)) > 60
    assert all(re.fullmatch(r"[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}", one) for one in ids)
    keys = everything(TEMPLATE["items"], "key") + everything(RULES, "key")
    assert len({key for key in keys if key != "virtscope.metrics"}) == len(keys) - keys.count("virtscope.metrics")
    assert "&id" not in PATH.read_text()


def test_a_server_takes_the_request_as_it_is_without_a_token(server: Running) -> None:
    master = TEMPLATE["items"][0]
    headers = {header["name"]: header["value"].replace("{$VIRTSCOPE.TOKEN}", "") for header in master["headers"]}
    answer = server.request(master["url"].removeprefix("{$VIRTSCOPE.URL}"), **headers)
    assert answer.status == 200
    assert b"libvirt_up{" in answer.data


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["name"])
def test_what_is_found_has_every_figure(scraping: Prometheus, rule: dict[str, Any]) -> None:
    (found_by,) = rule["preprocessing"][0]["parameters"]
    ours = [series for series in scraping.query(found_by, END) if series["metric"].get("host") == "kvm1"]
    assert ours
    for series in ours:
        labels = {
            path["lld_macro"]: series["metric"][re.fullmatch(r"\$\.labels\['(\w+)'\]", path["path"])[1]]  # type: ignore[index]
            for path in rule["lld_macro_paths"]
        }
        for item in rule["item_prototypes"]:
            pattern, request, _ = item["preprocessing"][0]["parameters"]
            for macro, value in labels.items():
                pattern = pattern.replace(macro, value)
            assert "{#" not in pattern
            answer = scraping.query(pattern, END)
            # A figure is one series; what is summed up is several.
            assert len(answer) == 1 if request == "value" else len(answer) > 1, pattern


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["name"])
def test_triggers_are_about_items_that_there_are(rule: dict[str, Any]) -> None:
    keys = {item["key"] for item in rule["item_prototypes"]}
    for trigger in rule["trigger_prototypes"]:
        named = re.findall(rf"/{TEMPLATE['name']}/([\w.]+\[[^\]]*\])", trigger["expression"])
        assert named
        assert set(named) <= keys
        assert not re.search(r"\{\w+\}", trigger["expression"]), trigger["expression"]
