"""Who may do what: people with their roles, agents with their certificates."""
