"""The settings of a way to a Prometheus-compatible engine: where it is, and how one is let in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from virtscope.prometheus.engine import Access
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Listed, Place, SecretFile, Text, Url
from virtscope.settings.program import Complaint, Resolved


@dataclass(frozen=True, slots=True)
class EngineAccess:
    """One way, with a setting for each part of it."""

    url: Setting[str]
    token_file: Setting[Path | None]
    user: Setting[str]
    password_file: Setting[Path | None]
    ca: Setting[Path | None]
    headers: Setting[tuple[str, ...]]

    @classmethod
    def named(cls, name: str, help: str, group: str, note: str = "") -> EngineAccess:  # noqa: A002  # as Setting's is
        """The settings whose names begin so; ``help`` is what the first of them is for."""
        return cls(
            Setting(name, Url(plain=True), "", help, group, note=note),
            Setting(f"{name}-token-file", SecretFile(), None, "The file with a bearer token for it.", group),
            Setting(f"{name}-user", Text("NAME"), "", "Its user, where it asks for a password.", group),
            Setting(f"{name}-password-file", SecretFile(), None, "The file with that user's password.", group),
            Setting(
                f"{name}-ca",
                Place(),
                None,
                "The authority of its certificate (PEM).",
                group,
                note="those of the system",
            ),
            Setting(
                f"{name}-headers",
                Listed(Text("NAME=VALUE")),
                (),
                "Headers that are sent along, as X-Scope-OrgID=ops for a tenant of Mimir. Secrets do not belong here.",
                group,
            ),
        )

    @property
    def settings(self) -> tuple[Setting[Any], ...]:
        """All of them."""
        return (self.url, self.token_file, self.user, self.password_file, self.ca, self.headers)

    def read(self, resolved: Resolved) -> Access | None:
        """The way; None where there is none."""
        if not resolved[self.url]:
            return None
        return Access(
            resolved[self.url],
            resolved[self.token_file],
            resolved[self.user],
            resolved[self.password_file],
            resolved[self.ca],
            {name: value for name, _, value in (entry.partition("=") for entry in resolved[self.headers])},
        )

    def check(self, resolved: Resolved) -> Iterator[Complaint]:
        """Whatever is wrong with it, one by one."""
        url, user, password = self.url, self.user, self.password_file
        if not resolved[url]:
            for other in self.settings[1:]:
                if resolved.is_given(other):
                    yield Complaint(other, f"{other.name} is set, and {url.name} is missing")
            return
        if not Url().allows(resolved[url]) and (resolved[self.token_file] or resolved[password]):
            yield Complaint(url, f"{url.name} is plain http to another machine, and a secret would be sent: use https")
        if resolved[self.token_file] and (resolved[user] or resolved[password]):
            yield Complaint(
                self.token_file, f"{self.token_file.name} and {user.name} are both set: one of them lets us in"
            )
        elif bool(resolved[user]) != bool(resolved[password]):
            yield Complaint(user, f"{user.name} and {password.name} are to be set both, or neither")
        for entry in resolved[self.headers]:
            name, sign, value = entry.partition("=")
            if not (sign and value and name.replace("-", "").isalnum() and entry.isprintable() and entry.isascii()):
                yield Complaint(self.headers, f"{self.headers.name} has {entry!r}: write NAME=VALUE")
