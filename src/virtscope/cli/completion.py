"""What the shell may complete: names of what there is, from the server that would be asked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from virtscope.errors import VirtscopeError

if TYPE_CHECKING:
    from virtscope.cli.source import Kind

PATIENCE_SECONDS = 2.0
"""How long somebody who has pressed Tab waits."""
_HARMLESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@:+-]*")
"""Names that no shell takes for anything else: tenants choose them."""


def _named(kind: Kind) -> Callable[[Any, str], list[str]]:
    def names(ctx: Any, incomplete: str) -> list[str]:
        """Names that begin so; nothing where nobody answers."""
        from virtscope.cli.source import Server

        try:
            found = Server(ctx.params.get("server") or "", patience=PATIENCE_SECONDS).items(kind)
        except VirtscopeError:
            return []
        names = {item["name"] for item in found if _HARMLESS.fullmatch(item["name"])}
        return sorted(name for name in names if name.startswith(incomplete))

    return names


hosts, domains, filters = _named("hosts"), _named("domains"), _named("filters")


def contexts(incomplete: str) -> list[str]:
    """Contexts that begin so."""
    from virtscope.cli import contexts as kept

    try:
        return sorted(name for name in kept.load().contexts if name.startswith(incomplete))
    except VirtscopeError:
        return []
