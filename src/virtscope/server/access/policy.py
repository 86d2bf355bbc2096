"""What each route takes: one table, first match wins, and what it does not name is an admin's alone."""

from __future__ import annotations

from dataclasses import dataclass

from virtscope.server.access.origin import SAFE_METHODS
from virtscope.server.access.who import Role


@dataclass(frozen=True, slots=True)
class Rule:
    """Requests whose path is, or lies below, one of these."""

    path: str
    role: Role | None
    """The least that is needed; None is open to everybody."""
    methods: frozenset[str] | None = None
    """None is all of them."""


RULES = (
    Rule("/healthz", None),
    Rule("/api/v1/session/password", Role.VIEWER),
    Rule("/api/v1/session", None),
    Rule("/api/v1/bootstrap", None),
    Rule("/api/v1/oidc", None),
    Rule("/api/v1/tokens", Role.VIEWER),
    Rule("/api/v1/users", Role.ADMIN),
    Rule("/api/v1/backup", Role.ADMIN),
    Rule("/api/v1/sql", Role.VIEWER),  # it reads only, and so does this
    Rule("/api/v1/read", Role.VIEWER),
    Rule("/api/v1/receivers", Role.ADMIN),
    Rule("/api/v1/outbox", Role.ADMIN),
    Rule("/api/v1/silences", Role.VIEWER, SAFE_METHODS),
    Rule("/api/v1/silences", Role.OPERATOR),
    Rule("/api/v1/alert-rules/trial", Role.VIEWER),
    Rule("/api", Role.VIEWER, SAFE_METHODS),
    Rule("/api/v1/findings", Role.OPERATOR),
    Rule("/metrics", Role.VIEWER, SAFE_METHODS),
    Rule("/readyz", Role.VIEWER, SAFE_METHODS),
    Rule("/api", Role.ADMIN),
    # The page itself is the same for everybody, and what asks people to sign in.
    Rule("/", None, SAFE_METHODS),
)

PEOPLE = ("/api/v1/session", "/api/v1/bootstrap", "/api/v1/users", "/api/v1/tokens", "/api/v1/oidc", "/api/v1/backup")
"""What is about people, or holds their secrets. Where nobody signs in, only the owner of the server's socket may:
whoever reaches the port could otherwise let himself in for later."""


def is_of_people(method: str, path: str) -> bool:
    """Whether a request is about people, beyond asking whether one has to sign in."""
    about = any(path == one or path.startswith(f"{one}/") for one in PEOPLE)
    return about and not (path == "/api/v1/session" and method in SAFE_METHODS)


def needed(method: str, path: str, rules: tuple[Rule, ...] = RULES) -> Role | None:
    """The role that a request takes; None where everybody may."""
    for rule in rules:
        below = rule.path if rule.path.endswith("/") else f"{rule.path}/"
        if (path == rule.path or path.startswith(below)) and (rule.methods is None or method in rule.methods):
            return rule.role
    return Role.ADMIN
