"""``python -m deploy.zabbix``: writes the template anew, after a change of the catalogue or of its declaration."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from deploy.zabbix.template import template

PATH = Path(__file__).parent / "virtscope.yaml"


def files() -> Mapping[Path, str]:
    """The template's file and text."""
    return {PATH: yaml.safe_dump(template(), sort_keys=False, width=120)}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
