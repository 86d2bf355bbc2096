"""What is said beside an answer: on standard error, so that it is no part of it."""

from __future__ import annotations


def say(words: str) -> None:
    """Say it to people."""
    from rich.console import Console

    from virtscope.text import plain

    shown = "\n".join(plain(line) for line in words.splitlines())
    Console(stderr=True).print(shown, highlight=False, markup=False, soft_wrap=True)
