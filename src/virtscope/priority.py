"""Who comes first when a machine has not enough CPU for everything."""

from __future__ import annotations

import os
import threading

_NICE = 10


def stand_back() -> None:
    """Let the calling thread run only where nothing else wants to: storing, and answering people, comes first.

    On Linux a nice value is a thread's own.
    """
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
