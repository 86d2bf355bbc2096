"""``virtscope top``: the fleet live in a terminal. A thread asks, a frozen snapshot comes over, the screens show it."""
