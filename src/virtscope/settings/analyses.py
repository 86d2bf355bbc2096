"""When a server analyses by itself, and with which settings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from virtscope.errors import VirtscopeError
from virtscope.settings.declaration import Setting
from virtscope.settings.kinds import Duration, Listed, Text
from virtscope.settings.program import Complaint, Resolved

_GROUP = "Analyses"
ANALYZE_EVERY = Setting(
    "analyze-every",
    Duration(0, 30 * 86_400),
    86_400.0,
    "How often every analysis is run by itself, and its findings kept; 0 is never.",
    _GROUP,
)
ANALYSIS: Setting[tuple[str, ...]] = Setting(
    "analysis",
    Listed(Text("NAME.KEY=VALUE")),
    (),
    "A setting of an analysis when it is run by itself, as idle.cpu=0.03. 'virtscope analyze' lists them.",
    _GROUP,
)
SETTINGS = (ANALYZE_EVERY, ANALYSIS)


def read(resolved: Resolved) -> Mapping[str, Mapping[str, str]]:
    """The settings of analyses, by the analyses' names."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for text in resolved[ANALYSIS]:
        name, _, setting = text.partition(".")
        key, _, value = setting.partition("=")
        found[name][key] = value
    return found


def check(resolved: Resolved) -> Iterator[Complaint]:
    """What makes no sense of it."""
    from virtscope.analysis import registry

    for text in resolved[ANALYSIS]:
        name, dot, setting = text.partition(".")
        key, equals, value = setting.partition("=")
        if not (name and dot and key and equals):
            yield Complaint(ANALYSIS, f"analysis has {text!r}: write NAME.KEY=VALUE, as idle.cpu=0.03")
            continue
        try:
            registry.find(name).read({key: value})
        except VirtscopeError as error:
            yield Complaint(ANALYSIS, f"analysis has {text!r}: {error}. {error.hint}")
