"""What a spool keeps for people to look at: damaged segments, and frames that the server refused for good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MOST_ASIDE = 32
"""Refused frames that are kept."""


class Kept:
    """The folders for it. A disk that refuses is no error: what cannot be kept is not."""

    def __init__(self, folder: Path) -> None:
        """Make them, in a spool's folder.

        Raises:
            OSError: they cannot be made.
        """
        self._quarantine, self._aside = folder / "quarantine", folder / "aside"
        for part in (folder, self._quarantine, self._aside):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        size = 0
        for path in self._files():
            with suppress(OSError):
                size += path.stat().st_size
        return size

    def quarantine(self, path: Path) -> None:
        """Keep a damaged segment."""
        with suppress(OSError):
            path.rename(self._quarantine / path.name)

    def put_aside(self, epoch: int, sequence: int, frame: bytes) -> None:
        """Keep a frame that was refused, and of those before only the newest."""
        with suppress(OSError):
            (self._aside / f"{epoch}-{sequence}.frame").write_bytes(frame)
            for path in sorted(self._aside.glob("*"), key=lambda path: path.stat().st_mtime_ns)[:-MOST_ASIDE]:
                path.unlink()

    def remove_oldest(self) -> bool:
        """Remove the oldest; whether there was one."""
        for path in sorted(self._files(), key=lambda path: path.name)[:1]:
            with suppress(OSError):
                path.unlink()
                return True
        return False

    def _files(self) -> Iterator[Path]:
        for folder in (self._quarantine, self._aside):
            with suppress(OSError):
                yield from list(folder.iterdir())
