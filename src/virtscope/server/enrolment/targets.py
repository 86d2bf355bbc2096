"""Agents as targets of Prometheus's HTTP service discovery (https://prometheus.io/docs/prometheus/latest/http_sd/)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from virtscope.server.enrolment.agents import Agent
from virtscope.server.enrolment.remarks import AgentStatus


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """One agent: where it is scraped, and what is known of it before."""

    targets: tuple[str, ...]
    labels: Mapping[str, str]


def target(agent: Agent, status: AgentStatus | None) -> TargetGroup | None:
    """The target of an agent; None where it serves nothing that others reach, or has not told yet.

    One that listens on every address is scraped at the one from which it delivers.
    """
    try:
        told = urlsplit(status.metrics or "" if status else "")
        host, port = told.hostname, told.port
        if told.scheme not in ("http", "https") or not host or not port:
            return None
        address = ip_address(agent.address or "") if ip_address(host).is_unspecified else ip_address(host)
    except ValueError:  # what an agent says of itself need not make sense
        return None
    named = f"[{address}]" if address.version == 6 else str(address)
    labels = {
        "__scheme__": told.scheme,
        "__meta_virtscope_agent": agent.name,
        "__meta_virtscope_agent_id": agent.id,
    }
    return TargetGroup((f"{named}:{port}",), labels)
