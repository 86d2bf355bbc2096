"""One suite for every adapter of the store: what is asked of the past has the same answer wherever it is kept."""
