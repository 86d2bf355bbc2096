"""Debian packages of the agent and of the server."""
