r"""``-o jsonpath=…``: parts of an answer, in the words of kubectl's templates.

``{.name}``, ``{[*].name}``, ``{.disks[0].target}``, ``{.figures['cpu_ratio']}``; text stands for itself, ``{"\n"}`` is
written with its escapes; ``{range [*]}…{end}`` goes over a list. A path that begins with ``.items`` means all of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from virtscope.errors import BadInput
from virtscope.text import plain

_PART = re.compile(r"\{([^{}]*)\}|([^{}]+)")
_STEP = re.compile(r"\.?\[(?:\*|(?P<index>-?\d+)|'(?P<quoted>[^']*)')\]|\.\*|\.(?P<name>[A-Za-z0-9_-]+)")
_HINT = "Examples: '{[*].name}', '{.figures.cpu_ratio}', '{range [*]}{.name}{\"\\t\"}{.state}{\"\\n\"}{end}'."


def written(template: str, answer: Any) -> str:
    """The template filled in, one line harmless for a terminal; values of a path are separated by spaces.

    Raises:
        BadInput: the template makes no sense.
    """
    parts = [(inside.strip() if inside or not text else None, text) for inside, text in _PART.findall(template)]
    if sum(len(inside) for inside in _PART.sub("", template).split()) or not template:
        raise BadInput(f"jsonpath: {template!r} makes no sense", _HINT)
    made = _filled(parts, [answer])
    return made if made.endswith("\n") else f"{made}\n"


def _filled(parts: list[tuple[str | None, str]], answers: list[Any]) -> str:
    """The parts, once for each of the answers."""
    return "".join(_once(parts, answer) for answer in answers)


def _once(parts: list[tuple[str | None, str]], answer: Any) -> str:
    made, at = [], 0
    while at < len(parts):
        inside, text = parts[at]
        at += 1
        if inside is None:
            made.append(text)
        elif inside.startswith("range "):
            end = _end(parts, at)
            made.append(_filled(parts[at:end], list(_found(inside.removeprefix("range ").strip(), answer))))
            at = end + 1
        elif inside.startswith('"'):
            made.append(_literal(inside))
        else:
            made.append(" ".join(_shown(value) for value in _found(inside, answer)))
    return "".join(made)


def _end(parts: list[tuple[str | None, str]], at: int) -> int:
    """Where the range that has begun ends."""
    depth = 1
    for number in range(at, len(parts)):
        inside = parts[number][0] or ""
        depth += inside.startswith("range ") - (inside == "end")
        if depth == 0:
            return number
    raise BadInput("jsonpath: {range …} lacks its {end}", _HINT)


def _literal(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        raise BadInput(f"jsonpath: {text} is no text", _HINT) from None


def _found(path: str, answer: Any) -> Iterator[Any]:
    """The values at a path; none where it leads nowhere."""
    path = path.removeprefix("$").removeprefix("@")
    if path.startswith(".items") and isinstance(answer, list):
        path = path.removeprefix(".items")
    found, at = [answer], 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            if path == ".":
                break
            raise BadInput(f"jsonpath: {path[at:]!r} of {path!r} is no path", _HINT)
        found = [value for one in found for value in _stepped(step, one)]
        at = step.end()
    yield from found


def _stepped(step: re.Match[str], value: Any) -> Iterator[Any]:
    name = step["name"] if step["name"] is not None else step["quoted"]
    if name is not None:
        if isinstance(value, dict) and name in value:
            yield value[name]
    elif step["index"] is not None:
        number = int(step["index"])
        if isinstance(value, list) and -len(value) <= number < len(value):
            yield value[number]
    elif isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        yield from value.values()


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return plain(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=True)
