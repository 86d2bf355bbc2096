"""What a provider's claims come to here: a role and projects. A pure function of the claims and the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from virtscope.errors import NotAllowed
from virtscope.server.access.settings import OidcSettings
from virtscope.server.access.users import Identity
from virtscope.server.access.who import Role

EVERY_PROJECT = "*"
LONGEST_SUBJECT = 255
"""Characters; OpenID Connect allows no more."""


def identity(claims: Mapping[str, Any], settings: OidcSettings) -> Identity:
    """Who these claims, which are verified, tell of.

    Raises:
        NotAllowed: they bring no role here.
    """
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject.isprintable() or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise NotAllowed("the provider tells no usable subject", "The claim 'sub' names somebody for ever.")
    values = _values(claims.get(settings.claim))
    roles = [settings.roles[value] for value in values if value in settings.roles]
    role = max(roles) if roles else settings.default_role
    if role is None:
        raise NotAllowed(
            f"nothing in the claim {settings.claim!r} brings a role here", "Ask an admin to be put into a group."
        )
    return Identity(settings.issuer, subject, _email(claims), role, _projects(values, role, settings))


def _projects(values: list[str], role: Role, settings: OidcSettings) -> frozenset[str] | None:
    if role is Role.ADMIN or not settings.projects:
        return None
    opened = {project for value in values for project in settings.projects.get(value, ())}
    return None if EVERY_PROJECT in opened else frozenset(opened)


def _email(claims: Mapping[str, Any]) -> str | None:
    email = claims.get("email")
    verified = claims.get("email_verified") is True
    return email if verified and isinstance(email, str) and email.isprintable() and len(email) <= 254 else None


def _values(claim: object) -> list[str]:
    if isinstance(claim, str):
        return [claim]
    return [value for value in claim if isinstance(value, str)] if isinstance(claim, list) else []
