"""What must not lose anything: real servers and agents, and real faults."""
