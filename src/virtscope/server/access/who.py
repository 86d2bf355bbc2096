"""Who asks: a person or a program that has shown who it is, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What somebody may do; each may all that the ones before may."""

    VIEWER = 1
    """Look."""
    OPERATOR = 2
    """Look, and act on what is found."""
    ADMIN = 3
    """Everything: users, tokens, agents."""

    @property
    def word(self) -> str:
        """As people write it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who has shown who he is."""

    name: str
    role: Role
    projects: frozenset[str] | None = None
    """The ids and names of the projects whose domains he may see; None is everything."""
    until: float | None = None
    """When what he has shown ends, Unix seconds; None where that does not end by itself."""

    def sees(self, *project: str | None) -> bool:
        """Whether he may see what belongs to a project of this id or name."""
        return self.projects is None or any(name in self.projects for name in project if name)

    def covers(self, role: Role, projects: frozenset[str] | None) -> bool:
        """Whether he may himself all that this role in these projects may."""
        if self.projects is None:
            return role <= self.role
        return role <= self.role and projects is not None and projects <= self.projects


EVERYBODY = Who("everybody", Role.ADMIN)
"""Whoever can reach a server that asks nobody who he is: only one that listens on loopback does so."""
OWNER = Who("owner", Role.ADMIN)
"""Whoever can open the server's own socket in its data folder: the operating system has asked already."""
