"""``python -m virtscope.agent URI…``: the agent alone, which tells in a line what each tick has read."""

from __future__ import annotations

import argparse
import signal
import sys
import time

from virtscope.agent import following, uri
from virtscope.agent.pace import Pace
from virtscope.errors import VirtscopeError
from virtscope.sample import Batch


class _Lines:
    """Writes a line for each batch."""

    def put(self, batch: Batch) -> None:
        """Tell what the batch holds."""
        at = time.strftime("%H:%M:%S", time.localtime(batch.at / 1000))
        counts = [f"{len(rows)} {scope.value}" for sample in batch.samples for scope, rows in sample.rows.items()]
        links = [f"{link.state.value} {link.reason or ''}".strip() for link in batch.links]
        events = [f"{event.kind} {event.detail}".strip() for event in batch.events]
        sys.stdout.write(f"{at} {batch.agent} {', '.join(counts + links + events)}\n".replace("\x1b", ""))
        sys.stdout.flush()


def main() -> int:
    """Watch until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m virtscope.agent", description=__doc__)
    parser.add_argument("uri", nargs="+", help="a libvirt connection URI")
    parser.add_argument("--interval", type=float, default=5.0, help="seconds between two samples")
    options = parser.parse_args()
    try:
        uris = uri.parse_all(options.uri)
    except VirtscopeError as error:
        parser.error(f"{error} {error.hint}")
    stop = following.watch(uris, _Lines(), Pace.of(options.interval))
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
