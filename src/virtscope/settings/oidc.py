"""The settings of signing in through a provider (OpenID Connect)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Choice, Listed, SecretFile, Text, Url
from virtscope.settings.program import Complaint, Resolved

_GROUP = "Sign-in through a provider"
_ROLES = ("viewer", "operator", "admin")

ISSUER = Setting(
    "oidc-issuer", Url(), "", "The provider's issuer; its description is found below it.", _GROUP, note="no provider"
)
CLIENT_ID = Setting("oidc-client-id", Text("ID"), "", "What the provider knows this server as.", _GROUP)
CLIENT_SECRET_FILE: Setting[Path | None] = Setting(
    "oidc-client-secret-file", SecretFile(), None, "The file with the client's secret.", _GROUP
)
CLAIM = Setting("oidc-claim", Text("CLAIM"), "groups", "The claim that names somebody's groups.", _GROUP)
ROLES: Setting[tuple[str, ...]] = Setting(
    "oidc-roles",
    Listed(Text("GROUP=ROLE")),
    (),
    f"The role of a group's members: {', '.join(_ROLES)}. Who is in several has the highest.",
    _GROUP,
)
PROJECTS: Setting[tuple[str, ...]] = Setting(
    "oidc-projects",
    Listed(Text("GROUP=PROJECT")),
    (),
    "The projects that a group's members see, * for all; who is in none of these groups sees none. Without any, nobody "
    "is limited.",
    _GROUP,
)
DEFAULT_ROLE = Setting(
    "oidc-default-role",
    Choice(("none", *_ROLES)),
    "none",
    "The role of whoever is in none of the groups of oidc-roles; none is no entry.",
    _GROUP,
)
SETTINGS = (ISSUER, CLIENT_ID, CLIENT_SECRET_FILE, CLAIM, ROLES, PROJECTS, DEFAULT_ROLE)


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """How people sign in through a provider."""

    issuer: str
    client_id: str
    client_secret_file: Path
    claim: str
    roles: Mapping[str, str]
    """The role's name, by group."""
    projects: Mapping[str, frozenset[str]]
    """By group."""
    default_role: str | None
    """None: whoever is in no group with a role does not come in."""


def read(resolved: Resolved) -> OidcSettings | None:
    """How people sign in, if through a provider at all."""
    secret = resolved[CLIENT_SECRET_FILE]
    if not resolved[ISSUER] or secret is None:
        return None
    projects: dict[str, frozenset[str]] = {}
    for group, project in map(_halves, resolved[PROJECTS]):
        projects[group] = projects.get(group, frozenset()) | {project}
    role = resolved[DEFAULT_ROLE]
    return OidcSettings(
        resolved[ISSUER],
        resolved[CLIENT_ID],
        secret,
        resolved[CLAIM],
        dict(map(_halves, resolved[ROLES])),
        projects,
        None if role == "none" else role,
    )


def check(resolved: Resolved) -> Iterator[Complaint]:
    """Whatever is wrong with it, one by one."""
    yield from _is_whole(resolved)
    for entry in resolved[ROLES]:
        group, role = _halves(entry)
        if not group or role not in _ROLES:
            yield Complaint(ROLES, f"oidc-roles has {entry!r}: write GROUP=ROLE, the role one of {', '.join(_ROLES)}")
    groups = [_halves(entry)[0] for entry in resolved[ROLES]]
    for group in sorted({group for group in groups if groups.count(group) > 1}):
        yield Complaint(ROLES, f"oidc-roles has two roles for {group!r}: give one")
    for entry in resolved[PROJECTS]:
        if not all(_halves(entry)):
            yield Complaint(PROJECTS, f"oidc-projects has {entry!r}: write GROUP=PROJECT")


def _is_whole(resolved: Resolved) -> Iterator[Complaint]:
    """Somebody who sets a part of it wants it all, or has forgotten something."""
    if resolved[ISSUER]:
        needed: tuple[Setting[str] | Setting[Path | None], ...] = (CLIENT_ID, CLIENT_SECRET_FILE)
        for setting in needed:
            if not resolved.values[setting.name]:
                yield Complaint(ISSUER, f"oidc-issuer is set, and {setting.name} is missing")
        if resolved[DEFAULT_ROLE] == "none" and not resolved[ROLES]:
            yield Complaint(ISSUER, "oidc-issuer is set, but nobody could come in: set oidc-roles or oidc-default-role")
        return
    for other in SETTINGS[1:]:
        if resolved.is_given(other):
            yield Complaint(other, f"{other.name} is set, and oidc-issuer is missing")


def _halves(entry: str) -> tuple[str, str]:
    """A group and what it has; a group's name may hold '=' (LDAP's do)."""
    group, _, value = entry.rpartition("=")
    return group, value
