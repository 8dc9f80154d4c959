"""This project: the engine behind `regexp train`, its own program and its own batch order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import jax
import numpy as np

from benchmarks.cases import Case, arrays
from regexp.datasets.base import Data, Split
from regexp.engine import device
from regexp.engine.group import Group
from regexp.engine.prepare import members_split, prepare_lane
from regexp.experiment import Evaluation, Experiment, Training, trials
from regexp.models.base import Model
from regexp.models.cnn import CNN
from regexp.models.mlp import MLP
from regexp.models.resnet import ResNet
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.base import Regularizer
from regexp.regularizers.parameters.l2 import L2


def prepare(case: Case) -> Callable[[], int]:
    """A function that trains `case.steps` steps per lane and returns how many that were in all."""
    device.set_up("cpu")
    group = compiled(case, (Dropout(rate=case.dropout), L2(strength=case.l2)), *arrays(case))

    def run() -> int:
        first = group.position
        while group.position - first < case.steps:
            group.advance(case.steps - (group.position - first))
        jax.block_until_ready(group.state)
        return (group.position - first) * case.lanes

    return run


def compiled(case: Case, methods: tuple[Regularizer, ...], x: np.ndarray, y: np.ndarray) -> Group:
    """The lanes of a case (`case.lanes` seeds, or members where a method is an ensemble), ready to advance."""
    held_out = np.arange(1)  # the peers measure nothing either
    data = Data(inputs=x, targets=y, classes=tuple("0123456789"))
    what = experiment(case, methods)
    lanes = [replace(trial, seed=seed) for seed in range(case.lanes) for trial in trials(what)]
    split = Split(train=np.arange(len(x)), validation=held_out, test=held_out)
    splits = [members_split(trial, split) for trial in lanes]
    prepared = [prepare_lane(t, data, s) for t, s in zip(lanes, splits, strict=True)]
    group = Group(lanes, prepared, data, splits)
    group.compile()
    return group


def experiment(case: Case, methods: tuple[Regularizer, ...]) -> Experiment:
    """The case as a config would say it, with these methods; it never ends, and hardly measures."""
    return Experiment(
        model=model(case),
        regularizers=methods,
        training=Training(epochs=10**6, batch_size=case.batch),
        evaluation=Evaluation(train_limit=1),
    )


def model(case: Case) -> Model:
    if case.depth:
        return ResNet(depth=case.depth, width=case.filters[0])
    return CNN(filters=case.filters, hidden=case.hidden) if case.filters else MLP(hidden=case.hidden)
