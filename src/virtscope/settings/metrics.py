"""The settings of an engine that answers PromQL, for a past that is not kept in the data folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from virtscope.prometheus.engine import Access
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Duration, Listed, Place, SecretFile, Text, Url
from virtscope.settings.program import Complaint, Resolved

_GROUP = "A Prometheus-compatible engine"

METRICS = Setting(
    "metrics",
    Url(plain=True),
    "",
    "What answers PromQL over the figures that agents write to it, or that it scrapes: the past is read from there.",
    _GROUP,
    note="the past is kept in the data folder",
)
TOKEN_FILE: Setting[Path | None] = Setting(
    "metrics-token-file", SecretFile(), None, "The file with a bearer token for it.", _GROUP
)
USER = Setting("metrics-user", Text("NAME"), "", "Its user, where it asks for a password.", _GROUP)
PASSWORD_FILE: Setting[Path | None] = Setting(
    "metrics-password-file", SecretFile(), None, "The file with that user's password.", _GROUP
)
CA: Setting[Path | None] = Setting(
    "metrics-ca", Place(), None, "The authority of its certificate (PEM).", _GROUP, note="those of the system"
)
HEADERS: Setting[tuple[str, ...]] = Setting(
    "metrics-headers",
    Listed(Text("NAME=VALUE")),
    (),
    "Headers that are sent along, as X-Scope-OrgID=ops for a tenant of Mimir. Secrets do not belong here.",
    _GROUP,
)
INTERVAL = Setting(
    "metrics-interval",
    Duration(0.5, 300.0),
    10.0,
    "How often its series get a sample: the agents' interval, or that of scraping.",
    _GROUP,
)
SETTINGS = (METRICS, TOKEN_FILE, USER, PASSWORD_FILE, CA, HEADERS, INTERVAL)


def read(resolved: Resolved) -> Access | None:
    """Where the past is read from; None: from the data folder."""
    if not resolved[METRICS]:
        return None
    return Access(
        resolved[METRICS],
        resolved[TOKEN_FILE],
        resolved[USER],
        resolved[PASSWORD_FILE],
        resolved[CA],
        {name: value for name, _, value in (entry.partition("=") for entry in resolved[HEADERS])},
    )


def check(resolved: Resolved) -> Iterator[Complaint]:
    """Whatever is wrong with it, one by one."""
    secrets = (TOKEN_FILE, PASSWORD_FILE)
    if not resolved[METRICS]:
        for other in SETTINGS[1:]:
            if resolved.is_given(other):
                yield Complaint(other, f"{other.name} is set, and metrics is missing")
        return
    if not Url().allows(resolved[METRICS]) and any(resolved[one] for one in secrets):
        yield Complaint(METRICS, "metrics is plain http to another machine, and a secret would be sent: use https")
    if resolved[TOKEN_FILE] and (resolved[USER] or resolved[PASSWORD_FILE]):
        yield Complaint(TOKEN_FILE, "metrics-token-file and metrics-user are both set: one of them lets us in")
    elif bool(resolved[USER]) != bool(resolved[PASSWORD_FILE]):
        yield Complaint(USER, "metrics-user and metrics-password-file are to be set both, or neither")
    for entry in resolved[HEADERS]:
        name, sign, value = entry.partition("=")
        if not (sign and value and name.replace("-", "").isalnum() and entry.isprintable() and entry.isascii()):
            yield Complaint(HEADERS, f"metrics-headers has {entry!r}: write NAME=VALUE")
