"""This project: the engine behind `regexp train`, its own program and its own batch order."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from benchmarks.cases import Case, arrays
from regexp.datasets.base import Data, Split
from regexp.experiment import Evaluation, Experiment, Training, Trial
from regexp.models.cnn import CNN
from regexp.models.mlp import MLP
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.parameters.l2 import L2
from regexp.training import device
from regexp.training.group import Group
from regexp.training.prepare import prepare_lane


def prepare(case: Case) -> Callable[[], int]:
    """A function that trains `case.steps` steps per lane and returns how many that were in all."""
    device.set_up("cpu")
    x, y = arrays(case)
    held_out = np.arange(1)  # the peers measure nothing either
    data = Data(inputs=x, targets=y, classes=tuple("0123456789"))
    model = CNN(filters=case.filters, hidden=case.hidden) if case.filters else MLP(hidden=case.hidden)
    experiment = Experiment(
        model=model,
        regularizers=(Dropout(rate=case.dropout), L2(strength=case.l2)),
        training=Training(epochs=10**6, batch_size=case.batch),
        evaluation=Evaluation(train_limit=1),
    )
    trials = [Trial(experiment=experiment, seed=seed) for seed in range(case.lanes)]
    splits = [Split(train=np.arange(len(x)), validation=held_out, test=held_out) for _ in trials]
    lanes = [prepare_lane(t, data, s) for t, s in zip(trials, splits, strict=True)]
    group = Group(trials, lanes, data, splits)
    group.compile()

    def run() -> int:
        first = group.position
        while group.position - first < case.steps:
            group.advance(case.steps - (group.position - first))
        jax.block_until_ready(group.state)
        return (group.position - first) * case.lanes

    return run
