"""Alerting: the thread that asks the rules, the book that remembers, the thread that tells people, and the routes."""
