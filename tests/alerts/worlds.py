"""Small worlds, as the API would tell of them."""

from __future__ import annotations

from typing import Any

from virtscope.alerts.observe import World


def host(id: str = "h1", state: str = "up", **figures: float | None) -> dict[str, Any]:  # noqa: A002
    """A host."""
    return {"id": id, "name": f"kvm-{id}", "state": state, "figures": figures}


def domain(
    id: str = "d1",  # noqa: A002
    host: str = "h1",
    name: str = "",
    state: str = "running",
    project: str | None = None,
    **figures: float | None,
) -> dict[str, Any]:
    """A domain."""
    return {
        "id": id,
        "name": name or f"vm-{id}",
        "host": host,
        "host_name": f"kvm-{host}",
        "state": state,
        "facts": {"project": project},
        "figures": figures,
    }


def world(*items: dict[str, Any]) -> World:
    """Hosts and domains; a host for every domain."""
    domains = [item for item in items if "host" in item]
    hosts = {item["id"]: item for item in items if "host" not in item}
    for one in domains:
        hosts.setdefault(one["host"], host(one["host"]))
    return World({"hosts": lambda: list(hosts.values()), "domains": lambda: domains})
