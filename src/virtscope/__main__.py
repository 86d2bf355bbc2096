"""``python -m virtscope``."""

from virtscope.cli import main

main()
