"""Alerts: rules as data, what they come to at one moment, and who is told.

    rule ─► condition ─┐
                       ├─► observe ─► evaluate ─► changes ─► message ─► receivers
    what the API says ─┘   (pure)     (pure)      (pure)     (pure)

Nothing here but ``receiver.py`` reaches outside: rules, states and the time come in as values.
"""
