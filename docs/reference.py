"""Writes the reference pages out of the code: ``python -m docs.reference``. A test holds them together."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from docs import manual
from virtscope.analysis import registry
from virtscope.analysis.settings import COMMON
from virtscope.catalogue import METRICS, QUANTITIES, Scope, metrics_of, quantities_of
from virtscope.cli.commands import ENTRIES, loaded
from virtscope.exposition import own
from virtscope.exposition.names import Dialect, names
from virtscope.settings import pages
from virtscope.settings.agent import AGENT
from virtscope.settings.declaration import Setting
from virtscope.settings.server import SERVER, UP

FOLDER = Path(__file__).parent
_WRITTEN = "<!-- Written by `python -m docs.reference`; change the code instead. -->\n"
_TITLES = {
    Scope.HOST: "Hosts",
    Scope.CELL: "NUMA nodes",
    Scope.POOL: "Storage pools",
    Scope.VOLUME: "Storage volumes",
    Scope.DOMAIN: "Domains",
    Scope.VCPU: "vCPUs",
    Scope.DISK: "Disks",
    Scope.NIC: "Network interfaces",
    Scope.IOTHREAD: "I/O threads",
    Scope.PERF: "Counted events",
    Scope.JOB: "Migrations and jobs of disks",
    Scope.FILESYSTEM: "File systems of guests",
}


def metrics() -> str:
    """``docs/metrics.md``: every metric and quantity."""
    return "\n".join([_WRITTEN, *_metrics_page()]) + "\n"


def api() -> str:
    """``docs/api.md``: every route with its parameters."""
    return "\n".join([_WRITTEN, *_api_page(_openapi())]) + "\n"


def cli() -> str:
    """``docs/cli.md``: every command with its options."""
    return "\n".join([_WRITTEN, *_cli_page()]) + "\n"


def settings() -> str:
    """``docs/settings.md``: every setting of every program."""
    return "\n".join([_WRITTEN, *_settings_page()]) + "\n"


def analyses() -> str:
    """``docs/analysis/README.md``: every analysis in a line."""
    return "\n".join([_WRITTEN, *_analyses_page()]) + "\n"


def analysis(name: str) -> str:
    """``docs/analysis/NAME.md``: one analysis, its method and what may be set of it."""
    return "\n".join([_WRITTEN, *_analysis_page(registry.find(name))]) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "analysis/README.md": analyses,
    **{f"analysis/{name}.md": partial(analysis, name) for name in registry.NAMES},
    "metrics.md": metrics,
    "api.md": api,
    "cli.md": cli,
    "settings.md": settings,
    "../deploy/debian/virtscope.1": manual.page,
    "../deploy/agent.toml": lambda: pages.example(AGENT),
    "../deploy/server.toml": lambda: pages.example(SERVER),
}


def _analyses_page() -> Iterator[str]:
    yield f"# Analyses\n\n{len(registry.NAMES)} analyses. [How they are run and read](../analysis.md).\n"
    yield "| Analysis | Question |\n|---|---|"
    for one in registry.every():
        yield f"| [{one.title}]({one.name}.md) | {one.help} |"
    yield "\n## What every analysis may be told\n"
    yield from _analysis_settings(COMMON)


def _analysis_page(one: registry.Analysis) -> Iterator[str]:
    yield f"# {one.title}\n\n{one.help} `virtscope analyze {one.name}`\n"
    yield one.method.strip().replace("``", "`")
    if one.settings:
        yield "\n## Settings\n"
        yield from _analysis_settings(one.settings)
    yield "\n[What every analysis may be told](README.md), and [how they are run and read](../analysis.md)."


def _analysis_settings(settings: Iterable[Setting[Any]]) -> Iterator[str]:
    yield "| Setting | Default | May be | What it is |\n|---|---|---|---|"
    for one in settings:
        default = one.kind.show(one.default) or "none"
        yield f"| `{one.name}` | `{default}` | {one.kind.bounds} | {one.help} |"


def _settings_page() -> Iterator[str]:
    yield "# Settings\n\nEach setting is the same in a file, in the environment and on the command line:\n"
    yield '```\ninterval = "5s"                    # in the file'
    yield "VIRTSCOPE_AGENT_INTERVAL=5s         # in the environment"
    yield "virtscope agent --interval 5s       # on the command line\n```\n"
    yield "An option comes before the environment, that before the file, that before the default. A list is an array in"
    yield "the file, separated by spaces in the environment, and an option that is repeated. Secrets stand in files of"
    yield "their own, which settings name: so they show neither in `ps` nor in a log. Paths are written whole.\n"
    yield "`virtscope agent --check` prints every value and where it comes from, to the line of the file. It ends with"
    yield "status 2 where something makes no sense, and then names all of it at once."
    for program in (AGENT, SERVER, UP):
        yield f"\n## `virtscope {program.name}`\n"
        file = f"`{program.file}` where there is one, `--config FILE` otherwise" if program.file else "`--config FILE`"
        yield f"File: {file}. Variables: `{program.prefix}` and the name in capitals, with `_` for `-`."
        yield from pages.reference(program)


def _metrics_page() -> Iterator[str]:
    yield f"# Metrics and quantities\n\n{len(METRICS)} metrics are read and stored raw. {len(QUANTITIES)} quantities"
    yield "are derived from them whenever somebody asks: in the API, on the page and in the terminal."
    for scope in Scope:
        keys = ", ".join(f"`{key}`" for key in scope.keys)
        yield f"\n## {_TITLES[scope]}\n\nOne row is told from another by: {keys}.\n"
        yield "| Quantity | Unit | What it is |\n|---|---|---|"
        for quantity in quantities_of(scope):
            unit = quantity.unit.name.lower()
            yield f"| `{quantity.name}` {quantity.label} | {unit} | {quantity.help} |"
        yield "\n| Metric | Kind | Source | Prometheus name | What it is |\n|---|---|---|---|---|"
        for metric in metrics_of(scope):
            exposed = ", ".join(f"`{name}`" for name in names(metric, Dialect.INOVEX))
            source = f"{metric.group.value}: `{metric.source.replace('{}', '<n>')}`"
            yield f"| `{metric.name}` | {metric.kind.value} | {source} | {exposed} | {metric.help} |"

    yield "\n## Of the programs themselves\n\nIn `/metrics` of every agent and server.\n"
    yield "| Figure | Of | Label | What it is |\n|---|---|---|---|"
    for program, figures in (("both", own.PROCESS), ("agent", own.AGENT), ("server", own.SERVER)):
        for figure in figures:
            yield f"| `{figure.name}` | {program} | {f'`{figure.label}`' if figure.label else ''} | {figure.help} |"


def _openapi() -> dict[str, Any]:
    from virtscope.server.app import description

    return description()


def _api_page(document: dict[str, Any]) -> Iterator[str]:
    yield "# API\n\nEverything is read with GET. Times are Unix seconds, figures base units, `null` is unknown."
    yield "The same, for programs: `/api/v1/openapi.json`. Errors are `application/problem+json` (RFC 9457), with a"
    yield "`hint` what to do."
    routes = [(path, *of) for path, methods in document["paths"].items() for of in methods.items()]
    for path, method, route in routes:
        title = path if method == "get" else f"{method.upper()} {path}"
        yield f"\n## `{title}`\n\n{route['description']}"
        if route.get("parameters"):
            yield "\n| Parameter | In | Type | Default |\n|---|---|---|---|"
        for parameter in route.get("parameters", ()):
            schema = parameter["schema"]
            default = "required" if parameter["required"] else f"`{schema.get('default', 'none')}`"
            yield f"| `{parameter['name']}` | {parameter['in']} | {_type(schema)} | {default} |"
        if "requestBody" in route:
            yield f"\nBody: {_type(route['requestBody']['content']['application/json']['schema'])}"
        answers = {status: _answer(response) for status, response in route["responses"].items()}
        yield "\nAnswers: " + ", ".join(f"{status}{f' `{name}`' if name else ''}" for status, name in answers.items())
    yield "\n## `/api/v1/live`\n\nServer-sent events: `tick` with `{at, commit}` at every commit of samples, `event`"
    yield "for each event that came with it."
    yield "\n## Shapes"
    for name, schema in sorted(document["components"]["schemas"].items()):
        if "properties" not in schema or name.endswith("ValidationError") or name == "ValidationError":
            continue
        yield f"\n### `{name}`\n\n{schema.get('description', '')}\n"
        for field, kind in schema["properties"].items():
            yield f"- `{field}`: {_type(kind)}"


def _answer(response: dict[str, Any]) -> str:
    content: dict[str, Any] = next(iter(response.get("content", {}).values()), {})
    return _type(content.get("schema", {})).replace("`", "") if content.get("schema") else ""


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2]}`"
    if "anyOf" in schema:
        return " or ".join(_type(part) for part in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    return str(schema.get("type", "anything"))


def _commands() -> Iterator[str]:
    """Every command and every group's own, in the order of the help."""
    yield ""
    for entry in ENTRIES.values():
        yield from _with_its_own(entry.name, loaded(entry))


def _with_its_own(name: str, command: object) -> Iterator[str]:
    yield name
    for part, inner in getattr(command, "commands", {}).items():
        yield from _with_its_own(f"{name} {part}", inner)


def _cli_page() -> Iterator[str]:
    yield "# Command line"
    yield "\nWhat the commands share (formats, searches, contexts, exit statuses) is in [terminal.md](terminal.md)."
    for command in _commands():
        yield f"\n## `virtscope{' ' if command else ''}{command}`\n\n```\n{_help(command)}\n```"


def _help(command: str) -> str:
    return "\n".join(line.rstrip() for line in _helps()[command].strip().splitlines())


@cache
def _helps() -> Mapping[str, str]:
    """What each command says to ``--help``, in a process whose terminal is always the same."""
    environment = {"COLUMNS": "100", "PATH": "/usr/bin:/bin", "TERM": "dumb", "HOME": "/root", "LANG": "C.UTF-8"}
    given = json.dumps(list(_commands()))
    answer = subprocess.run(
        [sys.executable, "-c", _ASKING], input=given, env=environment, capture_output=True, text=True, check=True
    )
    found: dict[str, str] = json.loads(answer.stdout)
    return found


_ASKING = """
import contextlib, io, json, sys
from virtscope.cli.commands import app
found = {}
for command in json.load(sys.stdin):
    with contextlib.redirect_stdout(io.StringIO()) as said:
        app([*command.split(), "--help"], standalone_mode=False, prog_name="virtscope")
    found[command] = said.getvalue()
json.dump(found, sys.stdout)
"""


if __name__ == "__main__":
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page())
