"""What puts virtscope on machines: units, packages, a container."""
