"""Who this agent is: how it becomes known to a server, and stays so."""
