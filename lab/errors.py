"""What can go wrong with a lab, as a sentence for people."""


class LabError(Exception):
    """What happened, to what, and what to do."""
