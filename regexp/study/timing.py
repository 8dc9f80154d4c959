"""What a method costs: the time of a training step with it over a step without it, measured side by side."""

from __future__ import annotations

import time
from dataclasses import replace
from statistics import median

from regexp.datasets.base import Data
from regexp.datasets.splits import split
from regexp.engine.group import Group
from regexp.engine.stage import Stage
from regexp.experiment import Experiment, trials

REPEATS = 7


def step_costs(experiment: Experiment, data: Data) -> dict[str, float]:
    """{method: median over interleaved repeats of (step with all methods / step with all but this one)}, one lane.

    Methods that train several models, or act between epochs alone, are measured like any other: by the step.
    """
    names = [method.name for method in experiment.regularizers]
    groups = [_group(experiment, data), *(_group(_without(experiment, name), data) for name in names)]
    times = [[_seconds(group) for group in groups] for _ in range(REPEATS + 1)][1:]  # the first chunk is slower
    return {name: median(row[0] / row[i] for row in times) for i, name in enumerate(names, 1)}


def _without(experiment: Experiment, name: str) -> Experiment:
    return replace(experiment, regularizers=tuple(m for m in experiment.regularizers if m.name != name))


def _group(experiment: Experiment, data: Data) -> Group:
    """One lane, never done: epochs enough for every repeat."""
    training = replace(experiment.training, epochs=10**6, seeds=experiment.training.seeds[:1])
    trial = trials(replace(experiment, training=training))[:1]
    stage = Stage(trial, [split(experiment.dataset, data, trial[0].seed)], data)
    stage.groups[0].compile()
    return stage.groups[0]


def _seconds(group: Group) -> float:
    """Of one step, over as many as fit before an epoch's end, whose measurements are not part of a step."""
    inside = max(1, min(group.steps_per_epoch, group.capacity) - 1)
    began = time.perf_counter()
    group.advance(inside)
    took = time.perf_counter() - began
    group.advance(group.steps_per_epoch - group.position % group.steps_per_epoch)
    return took / inside
