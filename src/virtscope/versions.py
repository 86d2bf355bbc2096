"""Agent and server of different versions: what an operator should do about it, if anything."""

from __future__ import annotations

import re

MOST_BEHIND = 2
"""Minor versions that an agent may be behind its server before somebody should upgrade it."""
_FORM = re.compile(r"(\d{1,9})\.(\d{1,9})(?:\.(\d{1,9}))?", re.ASCII)


def mismatch(agent: str | None, server: str) -> str | None:
    """What is to be done about an agent of this version under a server of that one.

    None where they go together, or where one of the two says nothing that could be compared.
    """
    theirs, ours = _parts(agent or ""), _parts(server)
    if theirs is None or ours is None:
        return None
    if theirs > ours:
        return f"the agent ({agent}) is newer than the server ({server}): upgrade the server"
    if theirs[0] < ours[0] or ours[1] - theirs[1] > MOST_BEHIND:
        return f"the agent ({agent}) is much older than the server ({server}): upgrade the agent"
    return None


def _parts(version: str) -> tuple[int, int, int] | None:
    """Major, minor and patch, without what follows; None where it is no version."""
    found = _FORM.match(version)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None
