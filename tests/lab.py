"""A small laboratory for tests: tiny data, and training without files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import numpy as np

from regexp.datasets.base import Data, Dataset
from regexp.datasets.splits import split
from regexp.experiment import Experiment, Training, Trial
from regexp.models.mlp import MLP
from regexp.training.group import Group
from regexp.training.prepare import prepare_lane


def images(n: int = 240, side: int = 6, classes: int = 3, channels: int = 3, seed: int = 0) -> Data:
    """Images whose class is which of three places is bright; learnable in a few steps."""
    generator = np.random.default_rng(seed)
    targets = np.arange(n) % classes
    inputs = generator.uniform(0, 0.5, (n, side, side, channels))
    for i, target in enumerate(targets):
        inputs[i, 2 * target : 2 * target + 2] += 0.4
    names = tuple(f"class {k}" for k in range(classes))
    return Data(inputs=inputs.astype(np.float32), targets=targets.astype(np.int32), classes=names)


def table(n: int = 200, columns: int = 5, seed: int = 0) -> Data:
    """A linear regression problem with a little noise."""
    generator = np.random.default_rng(seed)
    inputs = generator.normal(size=(n, columns))
    targets = inputs @ generator.normal(size=(columns, 1)) + 0.1 * generator.normal(size=(n, 1))
    return Data(inputs=inputs.astype(np.float32), targets=targets.astype(np.float32))


def experiment(*methods: Any, **changes: Any) -> Experiment:
    """A tiny MLP with these methods; `changes` replace sections."""
    sections = {
        "dataset": Dataset(),
        "model": MLP(hidden=(12, 12)),
        "training": Training(epochs=2, batch_size=16),
    } | changes
    return Experiment(regularizers=tuple(methods), **sections)


def group(trials: list[Trial], data: Data) -> Group:
    """Compiled and ready to advance."""
    splits = [split(t.experiment.dataset, data, t.seed) for t in trials]
    lanes = [prepare_lane(t, data, s) for t, s in zip(trials, splits, strict=True)]
    made = Group(trials, lanes, data, splits)
    made.compile()
    return made


def train(
    what: Experiment | list[Experiment],
    data: Data | None = None,
    seeds: tuple[int, ...] = (0,),
    steps: int | None = None,
) -> Group:
    """Train lanes (experiments x seeds) for `steps` or to the end; `rows` of metrics are left on the group."""
    experiments = what if isinstance(what, list) else [what]
    trials = [Trial(experiment=e, seed=s) for e in experiments for s in seeds]
    made = group(trials, images() if data is None else data)
    made.rows = []  # type: ignore[attr-defined]
    end = made.total_steps if steps is None else steps
    while made.position < end and not made.done:
        made.rows += made.advance(end - made.position)  # type: ignore[attr-defined]
    return made


def weights(made: Group, lane: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """The model's parameters of one lane."""
    return jax.tree.map(lambda x: np.asarray(x)[lane], made.state.variables.parameters["model"])


def flat(tree: Any) -> np.ndarray:
    """All numbers of a tree in a row."""
    return np.concatenate([np.ravel(np.asarray(x)) for x in jax.tree.leaves(tree)])


def with_fields(method: Any, **fields: Any) -> Any:
    """The same method with other numbers."""
    return replace(method, **fields)
