"""The structure that the architecture promises."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import virtscope

ROOT = Path(virtscope.__file__).parent
MODULES = {
    ".".join(("virtscope", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}


def imports(module: str) -> set[str]:
    """Every module of ours that one names in an import, wherever that stands in its file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name in whole if name in MODULES} or {node.module}
            found |= {node.module for name in whole if name not in MODULES}
    return found


def test_no_import_circle() -> None:
    # A package's own file only passes on names of its parts; what a part imports of its package is its sisters.
    graph = {
        name: {other for other in imports(name) if other in MODULES and not name.startswith(f"{other}.")}
        for name in MODULES
    }
    TopologicalSorter(graph).prepare()


def test_only_one_module_imports_libvirt_and_only_its_package_uses_it() -> None:
    package, library = "virtscope.agent.hypervisor", "virtscope.agent.hypervisor.library"
    assert [name for name in MODULES if "libvirt" in imports(name)] == [library]
    assert {name.rpartition(".")[0] for name in MODULES if library in imports(name)} == {package, "virtscope.agent"}


def loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


SERVER_LIBRARIES = {"duckdb", "fastapi", "starlette", "pydantic", "pyarrow", "uvicorn", "numpy", "pandas", "polars"}


def test_the_agent_loads_no_server_library() -> None:
    loaded = loaded_by("import virtscope.agent.following, virtscope.agent.enrolment.renewal")
    assert "libvirt" in loaded
    # cryptography is loaded in a process of its own: it would be a quarter of the agent's memory.
    assert not loaded & (SERVER_LIBRARIES | {"rich", "typer", "yaml", "cryptography"})
    assert not loaded_by("import virtscope.cli.agent, virtscope.settings.agent") & SERVER_LIBRARIES


def test_answers_without_a_server_load_no_server_library() -> None:
    assert not loaded_by("import virtscope.cli.direct, virtscope.cli.commands") & SERVER_LIBRARIES


def test_the_catalogue_stands_alone() -> None:
    inside = {name for name in MODULES if name.startswith("virtscope.catalogue")}
    for name in inside:
        assert {other for other in imports(name) if other.startswith("virtscope")} <= inside
