"""The server as a container."""
