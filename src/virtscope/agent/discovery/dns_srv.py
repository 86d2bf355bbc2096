"""Hosts out of DNS: the targets of a name's SRV records."""

from __future__ import annotations

from collections.abc import Sequence

import dns.exception
import dns.name
import dns.resolver

from virtscope.agent.discovery import targets
from virtscope.agent.discovery.template import Template
from virtscope.agent.uri import ConnectionUri
from virtscope.errors import BadInput, DiscoveryError

_SECONDS = 10.0


class DnsSource:
    """The SRV records of a name."""

    def __init__(
        self, domain: str, template: Template, interval: float = 30.0, resolver: dns.resolver.Resolver | None = None
    ) -> None:
        """Take the records' name; without a resolver, the one of this machine is asked.

        Raises:
            BadInput: that is no domain name.
        """
        self.name = f"dns:{domain}"
        self.interval = interval
        try:
            self._domain = dns.name.from_text(domain)
        except (dns.exception.DNSException, UnicodeError):
            raise BadInput(f"{domain!r} is no domain name", "Example: dns:_libvirt._tcp.example.org") from None
        self._template = template
        self._entries = targets.Entries(self.name)
        self._resolver = resolver

    def hosts(self) -> Sequence[ConnectionUri]:
        """All targets of the records.

        Raises:
            DiscoveryError: there is no answer, or no such record.
        """
        try:
            # Made anew each time, as /etc/resolv.conf changes while virtscope runs.
            resolver = self._resolver or dns.resolver.Resolver()
            answer = resolver.resolve(self._domain, "SRV", lifetime=_SECONDS)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            # As likely a slip or the wrong resolver as the end of all hosts; RFC 2782 can say that none is left.
            raise DiscoveryError(
                f"{self.name}: there is no SRV record of that name",
                "Is the name right? That there are no hosts is said by one record with the target '.'.",
            ) from None
        except (dns.exception.DNSException, OSError) as error:
            raise DiscoveryError(
                f"{self.name}: the name servers do not answer ({error})", "Try: host -t SRV NAME"
            ) from None
        found = [(record.target.to_text(omit_final_dot=True), record.port) for record in answer]
        if len(found) == 1 and answer[0].target == dns.name.root:
            return []
        return self._entries.uris(found, lambda target: self._template.uri(*target))
