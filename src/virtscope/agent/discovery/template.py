"""The operator's template: the only way from a discovered host to a connection URI.

A source names a host, and that name (with a port, where the template asks for one) is all that comes from it.
"""

from __future__ import annotations

from dataclasses import dataclass

from virtscope.agent import uri
from virtscope.agent.uri import ConnectionUri
from virtscope.errors import BadUri

DEFAULT = "qemu+ssh://{host}/system"
_SAMPLE_HOST, _SAMPLE_PORT = "host.example.org", 16514


@dataclass(frozen=True, slots=True)
class Template:
    """A connection URI with ``{host}``, and perhaps ``{port}``, left open."""

    text: str = DEFAULT
    allow_no_verify: bool = False

    def __post_init__(self) -> None:
        """Check it with a sample host.

        Raises:
            BadUri: it is malformed, or leaves something else open than the host and its port.
        """
        try:
            sample = self.uri(_SAMPLE_HOST, _SAMPLE_PORT)
        except BadUri as error:
            raise BadUri(f"the template {self.text!r} makes no connection URI: {error}", error.hint) from None
        once = self.text.count("{host}") == 1 and self.text.count("{port}") <= 1
        if not once or sample.host != _SAMPLE_HOST or (self._wants_port and sample.port != _SAMPLE_PORT):
            raise BadUri(
                f"the template {self.text!r} does not say where the host goes",
                f"Write {{host}} once, in the host's place, as in {DEFAULT} or qemu+tls://{{host}}:{{port}}/system",
            )

    @property
    def _wants_port(self) -> bool:
        return "{port}" in self.text

    def uri(self, host: str, port: int | None = None) -> ConnectionUri:
        """The URI of a host. The port is left out unless the template wants it.

        Raises:
            BadUri: that is no host name, or it lacks the port that the template wants.
        """
        name = uri.host_name(host)
        if self._wants_port and port is None:
            raise BadUri(f"{host!r} comes without a port", f"The template {self.text} wants one.")
        text = self.text.replace("{host}", f"[{name}]" if ":" in name else name).replace("{port}", str(port))
        return uri.parse(text, allow_no_verify=self.allow_no_verify)
