"""Why a web server gave no answer, in words."""

from __future__ import annotations


def why(error: Exception) -> str:
    """What urllib3 or the system has to say, without where in the program it was said."""
    text = str(getattr(error, "reason", None) or error)
    return text.rpartition("Errno")[2].partition("]")[2].strip() or text
