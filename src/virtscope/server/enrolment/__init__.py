"""Who the agents are: the server's own authority, invitations, certificates, and the port where agents speak."""
