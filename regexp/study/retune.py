"""A small search for one number of an arm, as lanes of one program, judged on validation alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from regexp.core.errors import DataError
from regexp.datasets.base import Data
from regexp.datasets.splits import split
from regexp.engine.group import Group
from regexp.engine.stage import Stage
from regexp.experiment import Experiment, Trial, monitor, selects_best, trials
from regexp.metrics import smaller_is_better

FACTORS = (0.1, 0.316, 1.0, 3.16, 10.0)
SEEDS = 2
CHUNK_SECONDS = 0.4  # progress moves, and an interrupt is obeyed, at least this often


def share_of_work(experiment: Experiment) -> float:
    """Return the share of the search in what it and the training after it take, by their lanes."""
    searched = len(FACTORS) * min(SEEDS, len(experiment.training.seeds))
    return searched / (searched + len(experiment.training.seeds))


def retuned(experiment: Experiment, data: Data, progress: Callable[[float], None] = lambda share: None) -> Experiment:
    """Return the experiment at that of five learning rates which has the best monitored metric over two seeds.

    The rates are the experiment's own times FACTORS. The metric is measured at the epoch that the experiment selects. A
    rate at which a seed diverges counts as infinitely bad. `progress` is given the share of the training that is over.
    Raises DataError where `check_retune` does.
    """
    check_retune(experiment)
    rate = float(experiment.optimizer.learning_rate)
    candidates = [_at(experiment, rate * factor) for factor in FACTORS]
    seeds = experiment.training.seeds[:SEEDS]
    lanes = [replace(t, experiment=trials(one)[0].experiment) for one in candidates for t in _of(one, seeds)]
    stage = Stage(lanes, [split(experiment.dataset, data, t.seed) for t in lanes], data)
    stage.compile()
    score = np.full(len(lanes), np.inf)
    for number, (group, members) in enumerate(zip(stage.groups, stage.members, strict=True)):
        for share in _trained(group):
            progress((number + share) / len(stage.groups))
        score[members] = _scores(group, experiment)
        score[np.asarray(members)[np.asarray(group.state.diverged_at)[: len(members)] >= 0]] = np.inf
    means = score.reshape(len(candidates), -1).mean(1)
    return candidates[int(np.argmin(means))] if np.isfinite(means).any() else experiment


def _trained(group: Group) -> Iterator[float]:
    """Train a group to its end; yield the share of its steps that is over after every chunk."""
    steps = min(group.steps_per_epoch, 64)
    while not group.done:
        began = time.perf_counter()
        group.advance(steps)
        took = time.perf_counter() - began
        steps = max(1, int(min(2.0, CHUNK_SECONDS / max(took, 1e-6)) * steps))
        yield group.position / group.total_steps


def _scores(group: Group, experiment: Experiment) -> np.ndarray:
    """(lanes,) the monitored metric at the selected epoch, smaller is better; NaN counts as infinite."""
    name = monitor(experiment)
    variables = group.state.best.variables if selects_best(experiment) else group.latest()
    metrics, _ = group.evaluate(variables)
    sign = 1 if smaller_is_better(name) else -1
    values = sign * metrics[name]
    return np.where(np.isfinite(values), values, np.inf)


def check_retune(experiment: Experiment) -> None:
    """Raises DataError where the monitored metric is not measured, so every rate would be equally good."""
    if not experiment.dataset.validation and not monitor(experiment).startswith("train/"):
        message = f"--retune judges a learning rate by {monitor(experiment)}, but dataset.validation is 0"
        raise DataError(message, "dataset.validation")


def is_at_edge(found: Experiment, asked: Experiment) -> bool:
    """Whether the rate found is the least or the greatest of those tried: a better one may lie beyond."""
    ends = float(asked.optimizer.learning_rate) * np.asarray([FACTORS[0], FACTORS[-1]])
    return bool(np.isclose(float(found.optimizer.learning_rate), ends, atol=0).any())


def _at(experiment: Experiment, rate: float) -> Experiment:
    return replace(experiment, optimizer=replace(experiment.optimizer, learning_rate=rate))


def _of(experiment: Experiment, seeds: tuple[int, ...]) -> list[Trial]:
    return [trial for trial in trials(experiment) if trial.seed in seeds]
