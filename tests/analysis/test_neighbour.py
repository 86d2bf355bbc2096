"""Noisy neighbours: bullies of known identity are found, nobody else is, and quiet hosts raise no alarm."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from virtscope.analysis.neighbour import Disturbance, disturbances

Array = NDArray[np.float64]
STEP = 30.0
HOUR = 120
"""Steps."""
FLOOR = 0.02
DOMAINS = 8


class Scene:
    """One host for 4 hours; the last of them is judged. Symptoms are steal, uses are cores."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.at = np.asarray(np.arange(4 * HOUR) * STEP, dtype=np.float64)
        number = len(self.at)
        levels = self.random.uniform(0.2, 2.0, DOMAINS)
        self.uses: dict[str, Array] = {
            f"d{n}": np.clip(level * (1 + self.random.normal(0, 0.15, number)), 0, None)
            for n, level in enumerate(levels)
        }
        self.symptoms: dict[str, Array] = {name: np.abs(self.random.normal(0.003, 0.003, number)) for name in self.uses}

    def bully(self, name: str, victims: list[str], busy: Array) -> None:
        """From 20 minutes before the end on, whenever ``busy``: it takes 6 cores, and its victims wait."""
        start = len(self.at) - len(busy)
        self.uses[name][start:] += 6 * busy
        for victim in victims:
            self.symptoms[victim][start:] += busy * self.random.uniform(0.15, 0.4, len(busy))
            self.uses[victim][start:] *= 1 - 0.3 * busy

    def found(self) -> dict[str, Disturbance]:
        return {one.victim: one for one in disturbances(self.at, self.symptoms, self.uses, FLOOR, HOUR * STEP)}


def on_and_off(random: np.random.Generator) -> Array:
    return np.repeat(random.integers(0, 2, 10), 4).astype(np.float64)


def all_the_time(_: np.random.Generator) -> Array:
    return np.ones(40)


def one_burst(_: np.random.Generator) -> Array:
    return np.concatenate([np.zeros(25), np.ones(10), np.zeros(5)])


@pytest.mark.parametrize("pattern", [on_and_off, all_the_time, one_burst])
def test_bullies_are_found_and_nobody_else_is(pattern: object) -> None:
    guilty = accused = right = suffering = seen = 0
    for seed in range(40):
        scene = Scene(seed)
        names = list(scene.random.permutation(list(scene.uses)))
        busy = pattern(scene.random)  # type: ignore[operator]
        if busy.sum() < 6:
            continue
        scene.bully(names[0], names[1:4], busy)
        found = scene.found()
        suffering += 3
        seen += len(set(found) & set(names[1:4]))
        for victim in names[1:4]:
            suspects = [one.domain for one in found[victim].suspects] if victim in found else []
            guilty += 1
            accused += len(suspects)
            right += names[0] in suspects
    assert guilty >= 90
    assert seen / suffering >= 0.9
    assert right / guilty >= 0.9, "recall"
    assert right / accused >= 0.9, "precision"


def test_two_bullies_share_the_blame() -> None:
    scene = Scene(5)
    busy = on_and_off(np.random.default_rng(8))
    scene.bully("d0", ["d5"], busy)
    scene.uses["d1"][-len(busy) :] += 6 * busy
    assert {one.domain for one in scene.found()["d5"].suspects} == {"d0", "d1"}


def test_quiet_hosts_raise_no_alarm() -> None:
    assert sum(len(Scene(seed).found()) for seed in range(200)) == 0


def test_a_busy_domain_that_disturbs_nobody_is_not_accused() -> None:
    scene = Scene(3)
    scene.uses["d0"][-40:] += 6
    assert scene.found() == {}


def test_a_victim_of_nobody_here_is_told_without_a_suspect() -> None:
    scene = Scene(4)
    scene.symptoms["d2"][-30:] += 0.3
    found = scene.found()
    assert set(found) == {"d2"}
    assert found["d2"].suspects == ()
    assert found["d2"].symptom > 0.25
    assert found["d2"].steps >= 3


def test_two_steps_are_no_disturbance() -> None:
    scene = Scene(6)
    scene.symptoms["d2"][-10:-8] += 0.5
    assert scene.found() == {}


def test_unknown_steps_are_neither_calm_nor_loud() -> None:
    scene = Scene(7)
    scene.symptoms["d2"][:] = np.nan
    scene.uses["d3"][:] = np.nan
    scene.symptoms["d4"][-200:] = np.nan
    assert scene.found() == {}


def test_a_short_past_is_no_baseline() -> None:
    short: Mapping[str, Array] = {"a": np.array([0.0] * 10 + [0.9] * 10)}
    assert disturbances(np.linspace(0, 19 * STEP, 20), short, short, FLOOR, 300) == []
