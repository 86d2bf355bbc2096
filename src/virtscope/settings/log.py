"""The settings of what a program says of itself."""

from __future__ import annotations

from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Choice

_GROUP = "Log"

LOG_FORMAT = Setting(
    "log-format", Choice(("text", "json")), "text", "How the log is written: lines for people, or JSON.", _GROUP
)
LOG_LEVEL = Setting(
    "log-level",
    Choice(("debug", "info", "warning", "error")),
    "info",
    "The least that is written.",
    _GROUP,
)
SETTINGS = (LOG_FORMAT, LOG_LEVEL)
