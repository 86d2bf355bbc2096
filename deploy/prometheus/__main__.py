"""``python -m deploy.prometheus``: writes the rules anew, after a change of the catalogue, of a limit, or of a rule."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from deploy.prometheus import alerts, recording

FOLDER = Path(__file__).parent
_HEADING = "# Made by `python -m deploy.prometheus`: change the declaration there.\n"


def files() -> Mapping[Path, str]:
    """Every file of rules and its text."""
    made: Mapping[str, list[dict[str, Any]]] = {
        "recording-rules.yaml": recording.groups(),
        "alerting-rules.yaml": alerts.groups(),
    }
    return {
        FOLDER / name: _HEADING + yaml.safe_dump({"groups": groups}, sort_keys=False, width=120)
        for name, groups in made.items()
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
