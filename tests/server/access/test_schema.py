"""The routes about people against their own description, asked by an admin: no request makes one fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings

from tests.server.access.serving import Served, serving
from tests.server.test_schema import CHECKS


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as running:
        yield running


def test_every_answer_about_people_is_as_described(served: Served) -> None:
    token = served.admin()("POST", "/api/v1/tokens", {"name": "fuzz", "role": "admin"}).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_url(f"{served.address}/api/v1/openapi.json", headers=headers)
    people = [
        operation
        for operation in (found.ok() for found in schema.get_all_operations())  # type: ignore[union-attr]
        if operation.path.startswith(("/api/v1/session", "/api/v1/users", "/api/v1/tokens", "/api/v1/bootstrap"))
    ]
    assert len(people) == 12
    removing = False
    # What removes comes last: it may hit the token that asks.
    for operation in sorted(people, key=lambda one: one.method.upper() == "DELETE"):
        if operation.method.upper() == "DELETE" and not removing:
            removing = True
            assert served.client(token)("GET", "/api/v1/users").status == 200

        @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def check(case: Any) -> None:
            case.call_and_validate(checks=CHECKS, headers=headers)

        check()
