"""Which value a setting has: an option's before the environment's before the file's before the default. No I/O."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from virtscope.errors import BadSettings
from virtscope.settings.declaration import Setting
from virtscope.settings.program import Program, Resolved, Source, Written

_ALIKE = 0.75
"""From how alike on a name is taken for another one misspelt."""


def resolve(
    program: Program, file: Mapping[str, Written], environment: Mapping[str, str], flags: Mapping[str, object]
) -> Resolved:
    """Merge what was written in the three places with the defaults.

    Args:
        program: what may be set.
        file: by the names of settings.
        environment: the whole of it; only variables that begin with the program's prefix are looked at.
        flags: by the names of settings, without those that were not given.

    Raises:
        BadSettings: some of it makes no sense, all of which it names.
    """
    problems = [*_unknown_keys(program, file), *_unknown_variables(program, environment)]
    values: dict[str, Any] = {}
    places: dict[str, Written] = {}
    for setting in program.settings:
        values[setting.name] = setting.default
        places[setting.name] = Written(setting.default, "default", Source.DEFAULT)
        for written in _written(program, setting, file, environment, flags):
            # What a stronger place overrides is checked all the same: it is wrong there whatever stands elsewhere.
            try:
                values[setting.name] = setting.read(written.value)
            except ValueError as error:
                problems.append(_bad_value(setting, written, error))
            places[setting.name] = written
    found = Resolved(program, values, places)
    if not problems:
        problems = [
            f"{found.place(complaint.setting)}: {complaint.reason}"
            for check in program.checks
            for complaint in check(found)
        ]
    if problems:
        raise BadSettings(program.name, problems)
    return found


def _written(
    program: Program,
    setting: Setting[Any],
    file: Mapping[str, Written],
    environment: Mapping[str, str],
    flags: Mapping[str, object],
) -> Iterator[Written]:
    """What was written for a setting, the weakest first."""
    if setting.name in file:
        yield file[setting.name]
    variable = program.variable(setting)
    if variable in environment:
        yield Written(environment[variable], variable, Source.ENVIRONMENT)
    if setting.name in flags:
        yield Written(flags[setting.name], f"--{setting.name}", Source.FLAG)


def _bad_value(setting: Setting[Any], written: Written, error: ValueError) -> str:
    hidden = setting.is_secret or "not shown here" in str(error)
    value = "" if hidden else f" = {written.value!r}"
    return f"{written.place}: {setting.name}{value} {error}"


def _unknown_keys(program: Program, file: Mapping[str, Written]) -> Iterator[str]:
    names = {setting.name for setting in program.settings}
    for name in sorted(file.keys() - names):
        near = _nearest(name.replace("_", "-").lower(), names)
        yield f"{file[name].place}: there is no setting {name!r}" + (f"; is {near!r} meant?" if near else "")


def _unknown_variables(program: Program, environment: Mapping[str, str]) -> Iterator[str]:
    """Variables that are nearly a setting's.

    Others that begin the same are somebody else's: Kubernetes sets ``VIRTSCOPE_SERVER_PORT`` for a service's name.
    """
    names = {program.variable(setting).removeprefix(program.prefix) for setting in program.settings}
    for variable in sorted(environment):
        name = variable.removeprefix(program.prefix)
        near = _nearest(name, names) if name not in (variable, *names) else ""
        if near:
            yield f"{variable}: there is no such variable; is {program.prefix}{near} meant?"


def _nearest(name: str, names: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, sorted(names), 1, _ALIKE)), "")
