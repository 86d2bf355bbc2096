"""An engine that answers PromQL over HTTP: Prometheus, VictoriaMetrics, Mimir, Thanos.

The API is Prometheus's (https://prometheus.io/docs/prometheus/latest/querying/api/); what others add is told to each
and ignored by those who do not know it.
"""

from __future__ import annotations

import math
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import msgspec
import urllib3

from virtscope.errors import EngineError
from virtscope.store import Range
from virtscope.unanswered import why

CONNECT_SECONDS, ANSWER_SECONDS = 5.0, 120.0
MOST_STEPS = 10_000
"""Steps that are asked for at one time: Prometheus answers at most 11,000 points of a series."""
MOST_BYTES = 1 << 29
"""No answer is larger: whoever asks is to ask for less."""

Labels: TypeAlias = Mapping[str, str]
_WHOLE_OR_NOTHING = {
    "deny_partial_response": "1",  # VictoriaMetrics
    "partial_response": "false",  # Thanos
    "nocache": "1",  # VictoriaMetrics: its cache moves the ends of a range
}


@dataclass(frozen=True, slots=True)
class Access:
    """Where an engine is, and how one is let in."""

    url: str
    """What ``/api/v1/query`` is below: of Mimir with ``/prometheus``, of VictoriaMetrics' cluster with
    ``/select/0/prometheus``."""
    token_file: Path | None = None
    user: str = ""
    password_file: Path | None = None
    ca: Path | None = None
    """Authorities that are trusted (PEM); None: those of the system."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Whatever else is sent along, as a tenant's name."""

    def sent_along(self) -> dict[str, str]:
        """The headers of a request. Secrets are read anew: they are changed while we run.

        Raises:
            EngineError: a secret's file cannot be read.
        """
        made = {"User-Agent": "virtscope", **self.headers}
        if self.token_file:
            made["Authorization"] = f"Bearer {_secret(self.token_file)}"
        elif self.user and self.password_file:
            made |= urllib3.make_headers(basic_auth=f"{self.user}:{_secret(self.password_file)}")
        return made

    def pool(self, answer_seconds: float) -> urllib3.PoolManager:
        """Connections to it.

        Raises:
            EngineError: the authorities' file cannot be read.
        """
        trust = ssl.create_default_context()
        if self.ca:
            try:
                trust.load_verify_locations(self.ca)
            except (OSError, ssl.SSLError) as error:
                raise EngineError(f"{self.ca} holds no certificate: {error}", "It is to be PEM.") from None
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=answer_seconds)
        return urllib3.PoolManager(maxsize=8, timeout=timeout, retries=False, ssl_context=trust)


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct):
    result: list[_Series]


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str = ""


class Engine:
    """Asks one engine."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @cached_property
    def speaks_metricsql(self) -> bool:
        """Whether it is VictoriaMetrics, whose rates look back to the sample before their window.

        Raises:
            EngineError: it does not answer.
        """
        # `default` is an operator of MetricsQL; in PromQL this is no expression.
        return self._post("query", {"query": "1 default 2"}, may_refuse=True).status == "success"

    def over(self, query: str, over: Range) -> Iterator[tuple[Labels, list[float | None]]]:
        """What an expression is at the end of each step: every series with its values, None where it has none.

        Raises:
            EngineError: it does not answer, or not with series.
        """
        found: dict[tuple[tuple[str, str], ...], list[float | None]] = {}
        times = over.times
        for at in range(0, len(times), MOST_STEPS):
            part = times[at : at + MOST_STEPS]
            ends = {"start": _seconds(part[0] + over.step), "end": _seconds(part[-1] + over.step)}
            for series in self._ask("query_range", {"query": query, **ends, "step": _seconds(over.step)}):
                values = found.setdefault(tuple(sorted(series.metric.items())), [None] * len(times))
                for time, value in series.values:
                    place = round((time * 1000 - over.start) / over.step) - 1
                    if 0 <= place < len(values):
                        values[place] = number(value)
        for labels, values in found.items():
            yield dict(labels), values

    def at(self, query: str, moment: int) -> Iterator[tuple[Labels, float | None]]:
        """What an expression is at a moment, Unix ms: every series with its value.

        Raises:
            EngineError: it does not answer, or not with series.
        """
        for series in self._ask("query", {"query": query, "time": _seconds(moment)}):
            if series.value:
                yield series.metric, number(series.value[1])

    def _ask(self, path: str, fields: Mapping[str, str]) -> list[_Series]:
        data = self._post(path, fields).data
        return data.result if data else []

    def _post(self, path: str, fields: Mapping[str, str], *, may_refuse: bool = False) -> _Answer:
        where = self._access.url
        try:
            answer = self._pool.request(
                "POST",
                f"{where}/api/v1/{path}",
                fields=_WHOLE_OR_NOTHING | dict(fields),
                encode_multipart=False,
                headers=self._access.sent_along() | {"Accept-Encoding": "gzip"},
                preload_content=False,
            )
            with answer:
                body = answer.read(MOST_BYTES + 1, decode_content=True)
                if len(body) > MOST_BYTES:
                    answer.close()
                    raise EngineError(f"{where} answers with more than {MOST_BYTES >> 20} MiB", _LESS)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise EngineError(f"{where} does not answer: {why(error)}", _DOWN) from None
        if answer.status in (401, 403):
            raise EngineError(f"{where} does not let this server in (status {answer.status})", _NOT_LET_IN)
        try:
            found = msgspec.json.decode(body, type=_Answer)
        except msgspec.MsgspecError:
            raise EngineError(
                f"{where} answers with status {answer.status}, and not as Prometheus does",
                f"Is {where}/api/v1/{path} what answers PromQL there? " + _DOWN,
            ) from None
        if found.status != "success" and not (may_refuse and answer.status in (400, 422)):
            raise EngineError(f"{where} refuses a query: {found.error or answer.status}", _LESS)
        return found

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        return self._access.pool(ANSWER_SECONDS)


_DOWN = "What hosts do now is shown all the same; their past is there again when it answers. Look at its log."
_LESS = "Ask for a shorter range or fewer objects, or let it answer more."
_NOT_LET_IN = "Look at the settings metrics-token-file, metrics-user, metrics-password-file and metrics-headers."


def number(text: str) -> float | None:
    """A value as it is written in an answer; None where it is no number."""
    value = float(text)
    return value if math.isfinite(value) else None


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds / 1000:.3f}"


def _secret(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"{path} cannot be read: {error}", "It holds the secret that is sent along to it.") from None
