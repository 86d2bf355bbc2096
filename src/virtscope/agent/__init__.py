"""The agent: libvirt in, batches out. It imports no library of the server, so that it stays light."""
