"""Alerts of a real server: they fire once, are told by mail, webhook and Alertmanager, and survive a kill."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.running import PATIENCE, Running, running, until
from tests.server.sinks import MailServer, Webhook, alertmanager, serving

ABSENT = "qemu+unix:///system?socket=/nonexistent/libvirt-sock"
ARGUMENTS = (
    "--connect",
    "test:///default",
    "--connect",
    ABSENT,
    "--interval",
    "0.5",
    "--notify-networks",
    "127.0.0.0/8",
)
DOWN = '[host-down]\non = "hosts"\nwhen = "state:down"\nfor = "0s"\nrest = "0s"\nseverity = "critical"\n'
RUNS = '[runs]\non = "domains"\nwhen = "state:running"\nfor = "0s"\nrest = "0s"\ntext = "It does."\n'
PAUSED = RUNS.replace("running", "paused")


def ask(server: Running, method: str, path: str, body: Any = None) -> urllib3.BaseHTTPResponse:
    return urllib3.request(method, f"{server.address}/api/v1/{path}", json=body, retries=False, timeout=PATIENCE)


def send(server: Running, method: str, path: str, body: Any = None) -> Any:
    answer = ask(server, method, path, body)
    assert answer.status < 300, answer.data
    return answer.json() if answer.data else None


def apply(server: Running, *rules: str) -> None:
    send(server, "PUT", "alert-rules", {"toml": "\n".join(rules)})


def alerts(server: Running) -> dict[str, dict[str, Any]]:
    return {one["rule"]: one for one in server.get("/api/v1/alerts")["alerts"] if one["state"] != "pending"}


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "data", *ARGUMENTS) as server:
        until(lambda: server.get("/api/v1/domains")["domains"], "the domain")
        until(lambda: any(host["state"] == "down" for host in server.get("/api/v1/hosts")["hosts"]), "the absent host")
        yield server


def test_fired_told_silenced_resolved(watched: Running) -> None:
    hook, mail = Webhook(), MailServer()
    with serving(hook), serving(mail):
        send(watched, "POST", "receivers", {"name": "hook", "url": hook.url, "least": "info"})
        send(watched, "POST", "receivers", {"name": "mail", "url": mail.url, "least": "critical"})
        silence = send(watched, "POST", "silences", {"where": "rule:runs", "reason": "we know"})
        apply(watched, DOWN, RUNS)
        found = until(lambda: len(alerts(watched)) == 2 and alerts(watched), "both alerts")
        assert {name: (one["severity"], one["silenced"]) for name, one in found.items()} == {
            "host-down": ("critical", False),
            "runs": ("warning", True),
        }
        assert found["runs"]["subject"]["name"] == "test"
        until(lambda: hook.received and mail.received, "hook and mail")
        assert "host-down" in hook.received[0]["title"]
        assert "runs" not in hook.received[0]["message"]
        assert "critical" in mail.received[0]["Subject"]

        send(watched, "DELETE", f"silences/{silence['id']}")
        apply(watched, PAUSED)  # another rule's alerts end with it
        until(lambda: "runs" not in alerts(watched), "the resolution")
        until(lambda: len(hook.received) == 2, "the resolution to be told")
        assert "resolved" in hook.received[1]["title"]
        told = [(one["rule"], one["what"]) for one in watched.get("/api/v1/alerts/history")["entries"]]
        assert sorted(told) == [("host-down", "fired"), ("runs", "fired"), ("runs", "resolved")]
        of_domain = watched.get(f"/api/v1/alerts/history?subject={found['runs']['subject']['domain']}")["entries"]
        assert [one["what"] for one in of_domain] == ["resolved", "fired"]
        of_host = watched.get(f"/api/v1/alerts/history?subject={found['host-down']['subject']['host']}")["entries"]
        assert [one["rule"] for one in of_host] == ["host-down"]
        assert len(mail.received) == 1
        until(lambda: not send(watched, "GET", "outbox")["letters"], "the outbox to be empty")


def test_a_kill_in_the_middle_tells_nothing_twice_and_loses_nothing(tmp_path: Path) -> None:
    hook = Webhook()
    hook.failures = 1_000_000
    with serving(hook):
        with running(tmp_path / "data", *ARGUMENTS) as server:
            send(server, "POST", "receivers", {"name": "hook", "url": hook.url})
            apply(server, DOWN)
            until(lambda: send(server, "GET", "outbox")["letters"], "a letter")
            until(lambda: server.get("/api/v1/receivers")["receivers"][0]["problem"], "a failed try")
            server.stop(signal.SIGKILL)
        hook.failures = 0
        with running(tmp_path / "data", *ARGUMENTS) as server:
            send(server, "POST", "outbox/retry", {})
            until(lambda: hook.received, "the letter")
            until(lambda: "host-down" in alerts(server), "the alert")
            apply(server, DOWN)  # asks every rule again
            until(lambda: not send(server, "GET", "outbox")["letters"], "the outbox to be empty")
            history = server.get("/api/v1/alerts/history")["entries"]
    assert [one["what"] for one in history] == ["fired"]
    assert len(hook.received) == 1


def test_an_alertmanager_is_handed_the_alerts_themselves(watched: Running, tmp_path: Path) -> None:
    with alertmanager(tmp_path) as address:
        send(watched, "POST", "receivers", {"name": "am", "url": f"alertmanager://{address}"})
        apply(watched, DOWN, RUNS)

        def groups() -> dict[str, list[dict[str, Any]]]:
            answer = urllib3.request("GET", f"http://{address}/api/v2/alerts/groups")
            return {group["labels"]["alertname"]: group["alerts"] for group in answer.json()}

        until(lambda: set(groups()) == {"host-down", "runs"}, "both groups")
        (alert,) = groups()["runs"]
        assert alert["labels"]["name"] == "test"
        assert alert["labels"]["severity"] == "warning"
        assert alert["annotations"]["description"] == "It does."
        apply(watched, PAUSED)
        until(lambda: set(groups()) == {"host-down"}, "the resolution")


def test_a_rule_that_asks_for_words_has_no_past(server: Running) -> None:
    answer = send(server, "POST", "alert-rules/trial", {"toml": DOWN})
    assert answer["firings"] == []
    assert "there is no past" in answer["notes"][0]


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("PUT", "alert-rules", {"toml": RUNS.replace("state", "sate")}, "rules:3: runs: when: "),
        ("PUT", "alert-rules", {"toml": "x = ["}, "is no TOML"),
        ("POST", "silences", {"where": "nofield:x", "reason": "r"}, "nofield"),
        ("POST", "silences", {"where": "", "reason": " "}, "needs a reason"),
        ("POST", "silences", {"where": "", "reason": "r", "seconds": -1}, "cannot last"),
        ("POST", "receivers", {"name": "r", "url": "nothing"}, "no address"),
        ("POST", "receivers", {"name": "../x", "url": "json://h"}, "no name for a receiver"),
        ("POST", "receivers", {"name": "r", "url": "json://h", "least": "bad"}, "no severity"),
        ("DELETE", "alert-rules/nothing", None, "no rule"),
        ("DELETE", "alert-rules/pool-full", None, "Switch it off instead"),
        ("DELETE", "silences/99", None, "no silence 99"),
        ("DELETE", "receivers/nobody", None, "no receiver"),
        ("POST", "alert-rules/trial", {"rule": "nothing"}, "no rule"),
    ],
)
def test_what_makes_no_sense_is_said_and_changes_nothing(
    server: Running, method: str, path: str, body: Any, said: str
) -> None:
    before = server.get("/api/v1/alert-rules")
    answer = ask(server, method, path, body)
    assert 400 <= answer.status < 500
    assert said in json.dumps(answer.json(), ensure_ascii=False)
    assert server.get("/api/v1/alert-rules") == before


def test_the_command_line_says_the_same(server: Running, tmp_path: Path) -> None:
    def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "virtscope", "alerts", *arguments, "--server", server.address]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=PATIENCE, check=False)

    exported = run("rules", "export")
    assert exported.returncode == 0
    assert run("rules", "apply", "-", given=exported.stdout).returncode == 0
    assert run("rules", "export").stdout == exported.stdout
    file = tmp_path / "mine.toml"
    file.write_text(RUNS.replace('on = "domains"', 'on = "guests"'))
    wrong = run("rules", "apply", str(file))
    assert wrong.returncode == 2
    assert f"{file}:1: runs: there are no 'guests' to watch" in wrong.stderr
    assert run("silences", "add", "host:kvm9", "--reason", "repair", "--for", "2h", "--from", "2d").returncode == 2
    made = run("silences", "add", "host:kvm9", "--reason", "repair", "--for", "2h")
    assert made.returncode == 0
    listed = json.loads(run("silences", "list", "-o", "json").stdout)
    assert [(one["where"], one["state"]) for one in listed] == [("host:kvm9", "active")]
    assert run("silences", "end", str(listed[0]["id"])).returncode == 0
    assert json.loads(run("rules", "test", "guest-memory", "-o", "json").stdout) == []
