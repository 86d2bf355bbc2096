"""``metrics…``: what makes no sense together is said, and nothing is sent in the clear."""

from __future__ import annotations

from pathlib import Path

import pytest

from virtscope.errors import BadSettings
from virtscope.prometheus.engine import Access
from virtscope.settings.resolving import resolve
from virtscope.settings.server import SERVER, ServerSettings

HERE = "http://127.0.0.1:9090"


def read(**values: object) -> ServerSettings:
    return ServerSettings.of(resolve(SERVER, {}, {}, {name.replace("_", "-"): value for name, value in values.items()}))


def test_where_the_past_is_read() -> None:
    assert read().metrics is None
    given = read(metrics="https://mimir/prometheus/", metrics_token_file="/t", metrics_headers=["X-Scope-OrgID=ops"])
    headers = {"X-Scope-OrgID": "ops"}
    assert given.metrics == Access("https://mimir/prometheus", token_file=Path("/t"), headers=headers)
    assert read(metrics="http://prometheus:9090").metrics == Access("http://prometheus:9090")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metrics_ca": "/ca.pem"}, "metrics-ca is set, and metrics is missing"),
        ({"metrics": "prometheus:9090"}, "no address"),
        ({"metrics": "http://prometheus:9090", "metrics_token_file": "/t"}, "a secret would be sent: use https"),
        ({"metrics": HERE, "metrics_user": "me"}, "set both, or neither"),
        (
            {"metrics": HERE, "metrics_token_file": "/t", "metrics_user": "me", "metrics_password_file": "/p"},
            "one of them lets us in",
        ),
        ({"metrics": HERE, "metrics_headers": ["X-Scope-OrgID"]}, "write NAME=VALUE"),
        ({"metrics": HERE, "metrics_headers": ["A\r\nB=c"]}, "cannot be printed"),
    ],
)
def test_what_makes_no_sense_is_said(given: dict[str, object], said: str) -> None:
    with pytest.raises(BadSettings) as raised:
        read(**given)
    (problem,) = raised.value.problems
    assert said in problem
