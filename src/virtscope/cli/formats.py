"""The words that options take. Loaded with every command, so it loads nothing itself."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """How a list is written."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"
    NAME = "name"


class Watched(StrEnum):
    """What ``virtscope top`` lists."""

    HOSTS = "hosts"
    DOMAINS = "domains"
    DISKS = "disks"
    NICS = "nics"
