"""A small laboratory for tests: tiny data, and training without files."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from regexp.datasets.base import Data, Dataset, Split
from regexp.datasets.splits import split
from regexp.engine.batches import batch_size, epoch_order
from regexp.engine.epoch import start
from regexp.engine.group import Group
from regexp.engine.lanes import stack
from regexp.engine.prepare import members_split, prepare_lane, prepare_shared, spec_of
from regexp.engine.step import Lane, Progress, Shared, stream_keys, train_step
from regexp.experiment import Experiment, Training, Trial, trials
from regexp.models.mlp import MLP


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


def prepare(trial: Trial, data: Data) -> tuple[Split, Lane]:
    """The split and the constants of a trial."""
    base = split(trial.experiment.dataset, data, trial.seed)
    own = members_split(trial, base)
    return own, prepare_lane(trial, data, own, base)


def group(lanes: list[Trial], data: Data) -> Group:
    """Compiled and ready to advance."""
    splits, prepared = zip(*(prepare(trial, data) for trial in lanes), strict=True)
    made = Group(lanes, prepared, data, splits)
    made.compile()
    return made


def train(
    what: Experiment | list[Experiment],
    data: Data | None = None,
    seeds: tuple[int, ...] = (0,),
    steps: int | None = None,
) -> Group:
    """Train lanes (experiments x seeds x members) for `steps` or to the end; the group gets `rows` of metrics."""
    experiments = what if isinstance(what, list) else [what]
    lanes = [t for e in experiments for t in trials(replace(e, training=replace(e.training, seeds=seeds)))]
    made = group(lanes, images() if data is None else data)
    made.rows = []  # type: ignore[attr-defined]
    end = made.total_steps if steps is None else steps
    while made.position < end and not made.done:
        made.rows += made.advance(end - made.position)  # type: ignore[attr-defined]
    return made


class Steps:
    """Trials of one structure in one program of training steps alone, without epochs: a third of a group's compilation.

    experiments: by name; lanes by vmap, or by map where the model convolves
    """

    def __init__(self, experiments: dict[str, Experiment], data: Data | None = None, epochs: int = 8):
        data = images() if data is None else data
        self.names = list(experiments)
        firsts = [trials(e)[0] for e in experiments.values()]
        splits, lanes = zip(*(prepare(trial, data) for trial in firsts), strict=True)
        spec, shared = spec_of(firsts[0].experiment, data), jax.tree.map(jnp.asarray, prepare_shared(data))
        size = batch_size(firsts[0].experiment, len(splits[0].train))
        order = np.concatenate([epoch_order((0, 0), e, splits[0].train, size) for e in range(epochs)])
        self.total = len(order)
        states = [start(t.experiment, spec, lane) for t, lane in zip(firsts, lanes, strict=True)]
        begun = [Progress(state.variables, state.optimizer, state.memory) for state in states]

        def train(
            experiment: Experiment, lane: Lane, begun: Progress, count: Any, shared: Shared, order: Any
        ) -> Progress:
            streams = stream_keys(experiment, lane.key)

            def step(i: Any, before: Progress) -> Progress:
                return train_step(experiment, spec, shared, lane, streams, before, order[i], i)[0]

            return jax.lax.fori_loop(0, count, step, begun)

        def every(trials: tuple[Experiment, Lane, Progress], count: Any, shared: Shared, order: Any) -> Progress:
            if len(firsts) == 1 or firsts[0].experiment.model.images_only:
                return jax.lax.map(lambda one: train(*one, count, shared, order), trials)
            return jax.vmap(train, in_axes=(0, 0, 0, None, None, None))(*trials, count, shared, order)

        self._trials = stack([t.experiment for t in firsts]), stack(lanes), stack(begun)
        self._common = shared, order
        self._program = jax.jit(every).lower(self._trials, 0, *self._common).compile()

    def run(self, count: int, reverse: bool = False) -> dict[str, Progress]:
        """What each trial is after so many steps; `reverse` puts them into each other's lanes."""
        order = -1 if reverse else 1
        found = self._program(jax.tree.map(lambda x: x[::order], self._trials), count, *self._common)
        return {n: jax.tree.map(lambda x, i=i: np.asarray(x[i]), found) for i, n in enumerate(self.names[::order])}


def weights(made: Group, lane: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """The model's parameters of one lane."""
    return jax.tree.map(lambda x: np.asarray(x)[lane], made.state.variables.parameters["model"])


def flat(tree: Any) -> np.ndarray:
    """All numbers of a tree in a row."""
    return np.concatenate([np.ravel(np.asarray(x)) for x in jax.tree.leaves(tree)])


def with_fields(method: Any, **fields: Any) -> Any:
    """The same method with other numbers."""
    return replace(method, **fields)
