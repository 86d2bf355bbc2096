"""``python -m deploy.grafana``: writes the dashboards anew, after a change of the catalogue or of their declaration."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from deploy.grafana.dashboards import dashboards
from deploy.grafana.rendering import rendered
from virtscope.exposition.promql import INOVEX, VIRTSCOPE

FOLDER = Path(__file__).parent / "dashboards"


def files() -> Mapping[Path, str]:
    """Every dashboard's file and text."""
    return {
        FOLDER / exporter.name / f"{dashboard.name}.json": json.dumps(rendered(dashboard, exporter), indent=1) + "\n"
        for exporter in (VIRTSCOPE, INOVEX)
        for dashboard in dashboards(exporter)
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
