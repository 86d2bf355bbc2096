"""What the spool has lost: counted for ever, and kept until the server has heard of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from virtscope.wire import MOST_RANGES, Loss

log = logging.getLogger(__name__)


class _Kept(msgspec.Struct):
    dropped: int = 0
    losses: list[Loss] = []


class Losses:
    """A small file, replaced as a whole. Where the disk refuses, what it should hold is in memory still."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = _Kept()
        try:
            self._kept = msgspec.msgpack.decode(path.read_bytes(), type=_Kept)
        except FileNotFoundError:
            log.debug("nothing was ever lost")
        except (OSError, msgspec.MsgspecError):
            log.warning("what was lost before is not known any more: %s cannot be read", path)

    @property
    def dropped(self) -> int:
        """Batches lost since the spool exists."""
        return self._kept.dropped

    @property
    def epochs(self) -> set[int]:
        """The epochs of which something was lost that the server does not know."""
        return {loss.epoch for loss in self._kept.losses}

    def untold(self) -> tuple[Loss, ...]:
        """What the server has not confirmed: as much as goes into a delivery."""
        return tuple(self._kept.losses[:MOST_RANGES])

    def add(self, loss: Loss) -> None:
        """Count and keep a loss; one that continues the last one becomes one with it."""
        self._kept.dropped += loss.last - loss.first + 1
        before = self._kept.losses[-1] if self._kept.losses else None
        if before and (before.epoch, before.last + 1, before.reason) == (loss.epoch, loss.first, loss.reason):
            self._kept.losses[-1] = Loss(
                loss.epoch, before.first, loss.last, before.since or loss.since, loss.until, loss.reason
            )
        else:
            self._kept.losses.append(loss)

    def forget(self, told: Callable[[Loss], bool]) -> None:
        """Let go of what the server knows."""
        left = [loss for loss in self._kept.losses if not told(loss)]
        if len(left) < len(self._kept.losses):
            self._kept.losses = left
            self.write()

    def write(self) -> None:
        """Put it on the disk."""
        temporary = self._path.with_name(f"{self._path.name}.new")
        with suppress(OSError):
            temporary.write_bytes(msgspec.msgpack.encode(self._kept))
            temporary.replace(self._path)
