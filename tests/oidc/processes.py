"""Starts the provider of the tests."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
CALLBACK = "/api/v1/oidc/callback"


class Processes:
    """Providers that were started, to be ended by their process."""

    def __init__(self) -> None:
        self.started: list[subprocess.Popen[str]] = []

    def start(self, address: str, name: str = "127.0.0.1") -> str:
        """The issuer of a provider for the server at an address; ``name`` is what the provider's host is called by."""
        program = [str(ROOT / ".venv/bin/node"), "provider.mjs", address + CALLBACK, name]
        process = subprocess.Popen(
            program, cwd=ROOT / "tests/oidc", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.started.append(process)
        assert process.stdout is not None
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http://"), "the provider does not start: ./dev test makes its modules ready"
        return issuer

    def end(self) -> None:
        """End them all."""
        for process in self.started:
            process.kill()
            process.communicate()
