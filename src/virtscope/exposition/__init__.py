"""The newest of everything, for Prometheus: batches → board → view → families → text → listener.

The agent serves its own host with it, the server the whole fleet. Names are those of the libvirt exporters in use, so
that their dashboards and alerts go on working.
"""
