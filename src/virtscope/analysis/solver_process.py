"""The process of one question to the solver: reads it as msgpack, and answers as msgpack. See ``server/solving.py``."""

from __future__ import annotations

import os
import resource
import sys

import msgspec

from virtscope.analysis.solver import Question, answered

ADDRESSES = 8 << 30
"""Bytes of address space."""
NICE = 10


def main() -> None:
    """Answer one question."""
    os.nice(NICE)
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES if most == resource.RLIM_INFINITY else most, most))
    question = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Question)
    sys.stdout.buffer.write(msgspec.msgpack.encode(answered(question)))
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
