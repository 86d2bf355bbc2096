"""The pages say what the code and its tests say."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from docs import reference

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_reference_is_current(name: str) -> None:
    assert (reference.FOLDER / name).read_text() == reference.PAGES[name](), "run: python -m docs.reference"


@pytest.mark.parametrize("page", [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")], ids=lambda path: path.name)
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


def proofs(text: str) -> list[tuple[str, str]]:
    """Tests named in a text, as ``tests/path.py::test_name``."""
    return re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)


def functions_of(path: Path) -> set[str]:
    """The functions that a file has."""
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("name", ["peers.md", "reliability.md"])
def test_what_proves_something_is_there(name: str) -> None:
    page = (ROOT / "docs" / name).read_text()
    named = proofs(page)
    assert named
    assert len(named) == page.count("::test_"), "a test is named in another form"
    for path, test in named:
        assert (ROOT / path).is_file(), path
        assert test in functions_of(ROOT / path), f"{path}::{test}"


def test_every_fault_and_attack_has_its_test_or_says_that_it_has_none() -> None:
    lines = (ROOT / "docs/reliability.md").read_text().splitlines()
    rows = [line for line in lines if line.startswith("| ") and line.count("|") == 4 and "---" not in line]
    assert len(rows) > 50
    for row in rows:
        _, what, happens, test, _ = row.split("|")
        assert bool(proofs(test)) != ("not tested" in happens) or what.strip() in ("Fault", "Attack"), row


def test_every_feature_of_ours_names_its_proof() -> None:
    lines = (ROOT / "docs/peers.md").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if "| virtscope |" in line)
    column = [cell.strip() for cell in lines[start].split("|")].index("virtscope")
    rows = lines[start + 2 : lines.index("", start)]
    assert len(rows) > 20
    for row in rows:
        ours = row.split("|")[column].strip()
        assert ours.startswith(("yes", "no test yet")), row
        assert bool(proofs(row)) == ours.startswith("yes"), row
