"""Hosts out of a file: one a line, or Prometheus's file service discovery where the name ends in ``.json``."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path

from virtscope.agent import uri
from virtscope.agent.discovery import targets
from virtscope.agent.discovery.template import Template
from virtscope.agent.uri import ConnectionUri
from virtscope.errors import BadUri, DiscoveryError

_SETTLED_SECONDS = 2.0
"""A file changed this recently is read again: a second change may leave its time and size as they are."""


class FileSource:
    """A file, read again when it has changed."""

    def __init__(self, path: str, template: Template, interval: float = 2.0) -> None:
        self.name = f"file:{path}"
        self.interval = interval
        self._path = Path(path)
        self._template = template
        self._entries = targets.Entries(self.name)
        self._seen: tuple[int, ...] | None = None
        self._hosts: list[ConnectionUri] = []

    def hosts(self) -> Sequence[ConnectionUri]:
        """All hosts that the file names now.

        Raises:
            DiscoveryError: it cannot be read, is too large, or is no such list.
        """
        try:
            state = self._path.stat()
            seen = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
            if seen != self._seen:
                self._hosts = self._parse(self._read())
                self._seen = seen if time.time() - state.st_mtime > _SETTLED_SECONDS else None
        except OSError as error:
            raise DiscoveryError(
                f"{self.name}: cannot read it: {error.strerror}", "Give the path of a file that virtscope may read."
            ) from None
        return self._hosts

    def _read(self) -> bytes:
        # Not to wait for a writer, should somebody have put a pipe there.
        with os.fdopen(os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DiscoveryError(f"{self.name} is no regular file", "Give the path of a file, one host a line.")
            content = file.read(targets.MOST_BYTES + 1)
        if len(content) > targets.MOST_BYTES:
            raise DiscoveryError(f"{self.name} is larger than {targets.MOST_BYTES} bytes", "Is it the right file?")
        return content

    def _parse(self, content: bytes) -> list[ConnectionUri]:
        if self._path.suffix == ".json":
            found = targets.from_json(content, self.name)
            return self._entries.uris(found, lambda target: self._template.uri(*targets.split(target)))
        # A strange character makes its own line wrong, and no other.
        lines = content.decode("utf-8-sig", errors="replace").split("\n")
        said = [line.partition("#")[0].strip(" \t\r") for line in lines]
        return self._entries.uris([line for line in said if line], self._uri)

    def _uri(self, line: str) -> ConnectionUri:
        """The URI of a line: a host, or, as the file is the operator's own, a URI without parameters."""
        if ":/" not in line:
            return self._template.uri(*targets.split(line))
        if "?" in line:
            raise BadUri(
                f"{line!r}: a URI in a list has no parameters", "Put them into the template, or use --connect."
            )
        return uri.parse(line)
