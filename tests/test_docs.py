"""The reference pages say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import reference

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_reference_is_current(name: str) -> None:
    assert (reference.FOLDER / name).read_text() == reference.PAGES[name](), "run: python -m docs.reference"


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")], ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_the_architecture_names_every_module() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    modules = [
        path for path in (ROOT / "src/virtscope").rglob("*.py") if path.name not in ("__init__.py", "__main__.py")
    ]
    missing = [path.name for path in modules if f"`{path.name}`" not in page]
    assert not missing


def test_what_is_claimed_beside_peers_is_proved() -> None:
    """Every row of ours names a test, and the test is there."""
    rows = [line.split("|") for line in (ROOT / "docs/peers.md").read_text().splitlines() if line.startswith("| ")]
    claims = [row[2].strip() for row in rows if row[1].strip()]
    assert len(claims) > 30
    for claim in claims:
        found = re.fullmatch(r"`(tests/[\w/]+\.py)::(test_\w+)`", claim)
        assert found, claim
        assert f"def {found[2]}(" in (ROOT / found[1]).read_text(), claim
