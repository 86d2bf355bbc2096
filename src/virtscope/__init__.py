"""virtscope: a fleet of KVM/libvirt hosts, live, stored and explained."""

__version__ = "0.1.0"
