"""Hosts out of OpenStack: the hypervisors that Nova knows, asked as a cloud of ``clouds.yaml``."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from itertools import islice

from virtscope import __version__
from virtscope.agent.discovery import targets
from virtscope.agent.discovery.template import Template
from virtscope.agent.uri import ConnectionUri
from virtscope.errors import BadInput, BadUri, DiscoveryError, VirtscopeError

_SECONDS = 10.0
_BY = ("name", "host_ip")
"""What a hypervisor can be reached by, in the words of the SDK."""
_LIBVIRT = frozenset({"qemu", "kvm", "lxc", "xen", "parallels"})
"""Types of hypervisors that are driven through libvirt. Bare metal (Ironic) and VMware come in the same list."""


class OpenStackSource:
    """The hypervisors of a cloud."""

    def __init__(self, cloud: str, template: Template, interval: float = 60.0) -> None:
        """Take a cloud's name in ``clouds.yaml``, with ``?by=host_ip`` to use addresses in place of names.

        Raises:
            BadInput: that is no cloud's name.
            VirtscopeError: openstacksdk is not installed.
        """
        self.name = f"openstack:{cloud}"
        self.interval = interval
        self._cloud, _, option = cloud.partition("?")
        self._by = (option or "by=name").removeprefix("by=")
        if not self._cloud or self._by not in _BY:
            raise BadInput(f"{self.name!r} names no cloud", "Examples: openstack:mycloud, openstack:mycloud?by=host_ip")
        if importlib.util.find_spec("openstack") is None:
            raise VirtscopeError(
                f"{self.name} needs the library openstacksdk, which is not installed",
                "Install it: pip install 'virtscope[openstack]'",
            )
        self._template = template
        self._entries = targets.Entries(self.name)

    def hosts(self) -> Sequence[ConnectionUri]:
        """All hypervisors that Nova knows, whether up or down.

        Raises:
            DiscoveryError: the cloud does not answer, or does not list its hypervisors to this user.
        """
        try:
            found = self._hypervisors()
        except Exception as error:
            # The SDK passes on what its parts raise: its own errors, keystoneauth's, YAML's.
            raise DiscoveryError(
                f"{self.name} does not list its hypervisors: {error}",
                f"Try: openstack --os-cloud {self._cloud} hypervisor list. It needs a role that may.",
            ) from error
        return self._entries.uris(found, self._uri)

    def _hypervisors(self) -> list[str | None]:
        import openstack

        # Made anew each time, as clouds.yaml and what it says change while virtscope runs.
        with openstack.connect(
            cloud=self._cloud, api_timeout=_SECONDS, app_name="virtscope", app_version=__version__
        ) as connection:
            # A token that was meant for https must not follow a redirect to http.
            connection.session.redirect = False
            hypervisors = connection.compute.hypervisors(details=True)
            return [
                getattr(hypervisor, self._by)
                for hypervisor in islice(hypervisors, targets.MOST_TARGETS + 1)
                if (hypervisor.hypervisor_type or "qemu").lower() in _LIBVIRT
            ]

    def _uri(self, host: str | None) -> ConnectionUri:
        if host is None:
            raise BadUri("a hypervisor has no address", "Nova knows none of it. Use names, without ?by=host_ip.")
        return self._template.uri(host)
