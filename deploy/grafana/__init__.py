"""Grafana's dashboards, written out of the catalogue: a declaration for each, and what Grafana makes of it."""
