"""Prometheus asks the store: its remote read, over the history of raw samples."""
