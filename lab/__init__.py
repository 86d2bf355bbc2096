"""Real hosts for people to look at and for tests to check against: private libvirtd's with tiny QEMU guests.

spec, demo -> lab -> host (namespaces, libvirtd) -> guest (domain_xml, image) -> report (the witness)
"""
