"""Labels of series and keys of objects, from one to the other: series are called as ``/metrics`` calls them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from virtscope.catalogue import Scope
from virtscope.exposition.families import nic_targets
from virtscope.exposition.labels import visible
from virtscope.prometheus.engine import Labels
from virtscope.sample import DomainFacts
from virtscope.store.quantity_sql import object_keys

Key: TypeAlias = tuple[str | int, ...]

_LABELS = {"domain": "uuid", "target": "target_device", "pool": "storage_pool"}
"""Of keys that are called otherwise."""
_NUMBERS = frozenset({"vcpu", "cell", "iothread"})
_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""What means something in a regular expression of RE2."""


class Naming:
    """What is called how, as long as one question takes."""

    def __init__(self, hosts: Mapping[str, str], domains: Callable[[], Iterable[DomainFacts]]) -> None:
        """Begin.

        Args:
            hosts: the name of each host, by id.
            domains: every description of a domain: series name interfaces by their targets alone.
        """
        self._names = {id_: visible(name) for id_, name in hosts.items()}
        self._ids = {name: id_ for id_, name in self._names.items()}
        self._domains = domains
        self._interfaces: dict[tuple[str, str], tuple[str, str]] | None = None

    def matcher(self, scope: Scope, objects: Sequence[str]) -> str:
        """Which series are those of these hosts or domains; of all, where none are named."""
        if not objects:
            return 'host!=""'
        label, names = ("uuid", objects) if scope.is_of_domain else ("host", [self._names.get(o, o) for o in objects])
        either = "|".join(_META.sub(r"\\\g<0>", name) for name in names)
        return f"{label}=~{_quoted(either)}"

    def key(self, scope: Scope, labels: Labels) -> Key:
        """The key of the object that a series is of."""
        made: dict[str, str | int] = {}
        for name in object_keys(scope):
            text = labels.get(_LABELS.get(name, name), "")
            made[name] = int(text) if name in _NUMBERS and text.isdecimal() else text
        if scope is Scope.NIC:
            made["mac"], made["target"] = self._interface(str(made["domain"]), str(made["target"]))
        elif "host" in made:
            made["host"] = self._ids.get(str(made["host"]), made["host"])
        return tuple(made.values())

    def _interface(self, domain: str, label: str) -> tuple[str, str]:
        """MAC and target of an interface; of one that is described nowhere any more, the MAC is not known."""
        if self._interfaces is None:
            self._interfaces = {}
            for facts in self._domains():
                keys = [(facts.id, nic.mac, nic.target) for nic in facts.nics]
                for (id_, mac, target), name in nic_targets(keys).items():
                    self._interfaces[str(id_), name] = (str(mac), str(target))
        return self._interfaces.get((domain, label), ("", label))


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
