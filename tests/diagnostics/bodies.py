"""Subjects without a run's folder."""

from __future__ import annotations

from typing import Any

import numpy as np

from regexp.core.lazy import jax
from regexp.datasets.base import Data
from regexp.datasets.splits import split
from regexp.diagnostics.subject import Model, Subject
from regexp.engine.prepare import members_split, prepare_lane, spec_of
from regexp.engine.step import Variables, init_variables
from regexp.experiment import Experiment, trials
from tests import lab


def subject(experiment: Experiment, data: Data) -> Subject:
    """Models as they start, as if they had been trained."""
    return _subject(experiment, data, [None] * len(trials(experiment)))


def trained(experiment: Experiment, data: Data) -> Subject:
    """After training, for as long as the experiment says."""
    seeds = experiment.training.seeds
    found = lab.train(experiment, data, seeds).state.variables
    count = len(trials(experiment))
    return _subject(experiment, data, [jax.tree.map(lambda x, i=i: np.asarray(x)[i], found) for i in range(count)])


def _subject(experiment: Experiment, data: Data, variables: list[Any]) -> Subject:
    spec, models = spec_of(experiment, data), []
    for trial, own in zip(trials(experiment), variables, strict=True):
        rows = members_split(trial, split(experiment.dataset, data, trial.seed))
        lane = prepare_lane(trial, data, rows)
        first: Variables = own or jax.tree.map(np.asarray, init_variables(trial.experiment, spec, lane))
        models.append((Model(trial, rows, first), lane))
    (one, lane), alone = models[0], models[0][0].trial.experiment
    every = tuple(model for model, _ in models)
    return Subject("made", alone, data, one.split, spec, lane, one.variables, one.trial.seed, every)


def separable(n: int = 60) -> Data:
    """Two classes on two sides of a line."""
    generator = np.random.default_rng(0)
    targets = np.arange(n) % 2
    inputs = generator.normal(size=(n, 2)) * 0.1 + (2 * targets[:, None] - 1)
    return Data(inputs=inputs.astype(np.float32), targets=targets.astype(np.int32), classes=("left", "right"))
