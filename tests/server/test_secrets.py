"""No secret is told: not in logs, not among arguments, not in an answer, not in a file of everybody's (canaries)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from tests.running import PATIENCE, until

PASSWORD, WRONG = "canary horse battery", "canary of a wrong password"
LOGGED = ("--log-format", "json", "--log-level", "debug")


class Program:
    """A program whose output nobody reads along, and that is looked at from outside."""

    def __init__(self, folder: Path, name: str, *arguments: str, begin: Sequence[str] = ("-m", "virtscope")) -> None:
        self.said = folder / f"{name}.log"
        command = [sys.executable, *begin, name, *arguments, *LOGGED]
        with self.said.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)

    @property
    def records(self) -> list[dict[str, Any]]:
        """What it has logged: every whole line is a record."""
        text = self.said.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def says(self, pattern: str) -> list[str]:
        """The messages that a pattern fits."""
        assert self.process.poll() is None, self.said.read_text()
        return [record["message"] for record in self.records if re.search(pattern, record["message"])]

    def seen(self) -> str:
        """What everybody on the machine may see of it and its children."""
        shown = subprocess.run(["ps", "-eww", "-o", "pid,ppid,args"], capture_output=True, text=True, check=True)
        return shown.stdout

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, self.said.read_text()


@contextmanager
def program(folder: Path, name: str, *arguments: str, begin: Sequence[str] = ("-m", "virtscope")) -> Iterator[Program]:
    """A program for as long as the block lasts; ``begin`` is what Python is to run."""
    running = Program(folder, name, *arguments, begin=begin)
    try:
        yield running
    finally:
        running.stop()


class Witness:
    """Keeps everything that is told, and the secrets that must not be in it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.secrets: set[str] = {PASSWORD, WRONG}

    def command(self, *arguments: str, given: str = "", address: str, fails: bool = False) -> str:
        """What a command of an admin's prints; its complaints are told to everybody."""
        command = [sys.executable, "-m", "virtscope", *arguments, *(["--server", address] if address else [])]
        answer = subprocess.run(command, input=given, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert (answer.returncode != 0) == fails, answer.stderr
        self.told.append(answer.stderr)
        return answer.stdout

    def check(self, *more: str) -> None:
        assert len(self.secrets) >= 9
        for text in (*self.told, *more):
            for secret in self.secrets:
                assert secret not in text, text[max(text.find(secret) - 200, 0) :][:400]
            assert "PRIVATE KEY" not in text


def test_no_secret_is_told(tmp_path: Path) -> None:
    witness, data, state = Witness(), tmp_path / "data", tmp_path / "state"
    listen = ("--listen", "127.0.0.1:0", "--agents-listen", "127.0.0.1:0", "--data", str(data), "--login")
    with program(tmp_path, "server", *listen) as server:
        (where,) = until(lambda: server.says(r" is at http"), "the server")
        address = where.rpartition(" ")[2].rstrip("/")
        owner = f"unix:{data}/server.sock"
        bootstrap = (data / "bootstrap-secret").read_text().strip()
        witness.secrets.add(bootstrap)
        cookie = in_browser(witness, address, bootstrap)

        line = witness.command("token", "create", "--name", "kvm1", address=owner)
        _, token, _, _, _, agents, _ = line.split()
        unused = witness.command("token", "create", address=owner).split()[1]
        witness.secrets |= {token, unused, token.removeprefix("vse_"), unused.removeprefix("vse_")}
        witness.command("enrol", agents, "-", "--identity", str(state), given=token, address="")
        witness.command("enrol", agents, "-", "--identity", str(tmp_path / "x"), given=token, address="", fails=True)
        witness.secrets |= key_of(state / "identity.pem") | key_of(data / "pki" / "ca.key")

        api_token = in_api(witness, address, cookie)
        watch = ("--connect", "test:///default", "--interval", "0.3", "--metrics", "127.0.0.1:0")
        with program(tmp_path, "agent", "--state", str(state), *watch) as agent:
            until(lambda: agent.says("the server runs virtscope"), "a delivery")
            until(lambda: asked(witness, address, "domains", api_token)["domains"], "the agent's domain")
            for path in ("agents", "enrolment-tokens", "tokens", "users", "session", "health", "info", "hosts"):
                asked(witness, address, path, api_token)
            asked(witness, address, "../../metrics", api_token, whole=True)
            witness.told.append(agent.seen())
            assert f"{agent.process.pid} " in witness.told[-1]
            witness.command("agents", "revoke", "kvm1", address=owner)
            until(lambda: agent.says("cannot deliver.*revoked"), "the refusal")
    witness.check(server.said.read_text(), agent.said.read_text())
    what_is_logged_once(server, agent)
    readable_by_others(witness, data, state)


def in_browser(witness: Witness, address: str, bootstrap: str) -> str:
    """The first admin is made, signs in wrongly and rightly; the session's cookie."""
    for secret in (WRONG, bootstrap):
        first = {"secret": secret, "name": "ana", "password": PASSWORD}
        made = post(witness, address, "bootstrap", first)
    assert made.status == 200
    assert post(witness, address, "session", {"name": "ana", "password": WRONG}).status == 401
    entered = post(witness, address, "session", {"name": "ana", "password": PASSWORD})
    assert entered.status == 200
    cookies = [answer.headers["set-cookie"].partition(";")[0] for answer in (made, entered)]
    witness.secrets |= {cookie.partition("=")[2] for cookie in cookies}
    return cookies[-1]


def in_api(witness: Witness, address: str, cookie: str) -> str:
    """An API token is made and a wrong one shown; the only answer that has it is not for the witness."""
    wish = {"name": "scripts", "role": "admin"}
    made = urllib3.request(
        "POST", f"{address}/api/v1/tokens", json=wish, headers={"Cookie": cookie, "Origin": address}, retries=False
    )
    assert made.status == 201, made.data
    token: str = made.json()["token"]
    witness.secrets |= {token, "vst_canary-of-a-wrong-token"}
    wrong = {"Authorization": "Bearer vst_canary-of-a-wrong-token"}
    assert urllib3.request("GET", f"{address}/api/v1/hosts", headers=wrong, retries=False).status == 401
    return token


def post(witness: Witness, address: str, path: str, body: object) -> urllib3.BaseHTTPResponse:
    answer = urllib3.request("POST", f"{address}/api/v1/{path}", json=body, headers={"Origin": address}, retries=False)
    witness.told.append(answer.data.decode())
    return answer


def asked(witness: Witness, address: str, path: str, token: str, *, whole: bool = False) -> Any:
    url = f"{address}/metrics" if whole else f"{address}/api/v1/{path}"
    answer = urllib3.request("GET", url, headers={"Authorization": f"Bearer {token}"}, retries=False)
    assert answer.status == 200, answer.data
    witness.told += [answer.data.decode(), str(dict(answer.headers))]
    return None if whole else answer.json()


def key_of(path: Path) -> set[str]:
    """The lines of the private key in a file."""
    (block,) = re.findall(r"-----BEGIN [A-Z ]*PRIVATE KEY-----\n(.*?)\n-----END", path.read_text(), re.DOTALL)
    return {line for line in block.splitlines() if len(line) > 16}


def what_is_logged_once(server: Program, agent: Program) -> None:
    """The facts that an operator looks for, each with the name of what it is about."""
    said = [record["message"] for record in server.records]
    for fact in (
        r"'ana' is the first admin",
        r"a wrong bootstrap secret was shown from 127\.0\.0\.1",
        r"a sign-in as 'ana' from 127\.0\.0\.1 failed",
        r"'ana' signed in from 127\.0\.0\.1",
        r"'ana' has made the API token \d+, 'scripts' \(admin\)",
        r"an API token that is not valid was shown from 127\.0\.0\.1",
        r"127\.0\.0\.1 is enrolled as agent kvm1 ",
        r"127\.0\.0\.1 could not enrol: ",
        r" has revoked agent kvm1 ",
    ):
        assert len([message for message in said if re.search(fact, message)]) == 1, fact
    assert len([message for message in said if " has made the enrolment token " in message]) == 2
    assert any(re.search(r"is not let in: agent kvm1 was revoked", message) for message in said)
    told = [record["message"] for record in agent.records]
    assert len([message for message in told if message.startswith("cannot deliver to the server")]) == 1
    levels = {record["level"] for record in server.records}
    assert not levels & {"error", "critical"}


def readable_by_others(witness: Witness, *folders: Path) -> None:
    """What others can read of the folders has no secret in it; what has one, they cannot reach."""
    for folder in folders:
        for path in (one for one in folder.rglob("*") if one.is_file()):
            ways = [path, *(above for above in path.parents if folder in (above, *above.parents))]
            if all(way.stat().st_mode & 0o005 for way in ways):
                content = path.read_bytes()
                assert not any(secret.encode() in content for secret in witness.secrets), path
