"""Settings, declared once: each is a key of a file, a variable of the environment, an option and a line of the docs."""

from __future__ import annotations

from virtscope.settings.declaration import Setting
from virtscope.settings.program import Complaint, Program, Resolved, Source, Written
from virtscope.settings.resolving import resolve

__all__ = ["Complaint", "Program", "Resolved", "Setting", "Source", "Written", "resolve"]
