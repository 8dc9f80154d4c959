"""Subjects without a run's folder."""

from __future__ import annotations

from typing import Any

import numpy as np

from regexp.datasets.base import Data
from regexp.datasets.splits import split
from regexp.diagnostics.subject import Subject
from regexp.experiment import Experiment, Trial
from regexp.lazy import jax
from regexp.training.prepare import prepare_lane, spec_of
from regexp.training.step import init_variables


def subject(experiment: Experiment, data: Data, **numbers: Any) -> Subject:
    """A model as it starts, as if it had been trained."""
    own = split(experiment.dataset, data, 0)
    lane = prepare_lane(Trial(experiment=experiment, seed=0), data, own)
    spec = spec_of(experiment, data)
    variables = jax.tree.map(np.asarray, init_variables(experiment, spec, lane))
    return Subject("made", experiment, data, own, spec, lane, variables, 0)


def separable(n: int = 60) -> Data:
    """Two classes on two sides of a line."""
    generator = np.random.default_rng(0)
    targets = np.arange(n) % 2
    inputs = generator.normal(size=(n, 2)) * 0.1 + (2 * targets[:, None] - 1)
    return Data(inputs=inputs.astype(np.float32), targets=targets.astype(np.int32), classes=("left", "right"))
