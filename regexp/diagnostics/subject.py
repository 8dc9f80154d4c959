"""A saved run as the diagnostics see it: its first model that did not diverge, the others, its data and its lane."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from regexp.datasets.base import Data, Split
from regexp.datasets.loading import load_data
from regexp.datasets.splits import split
from regexp.diagnostics import programs
from regexp.errors import RunError
from regexp.experiment import Experiment, Trial, trials
from regexp.inference import diverged, read_experiment
from regexp.lazy import jax
from regexp.runs import Run
from regexp.training.lanes import Layout, compile_over_lanes, stack
from regexp.training.prepare import members_split, prepare_lane, prepare_shared, refit_parts, spec_of
from regexp.training.saved import nested
from regexp.training.stage import below
from regexp.training.step import Lane, Spec, Variables

Arrays = dict[str, np.ndarray]
Tree = Any
MOST_ROWS = 2000  # training examples in the loss that is analysed, the first of the split
BLOCK = 500  # examples in one forward pass


@dataclass(frozen=True)
class Model:
    """One of a run's. split: its rows, those it was trained on among them; variables: as selected."""

    trial: Trial
    split: Split
    variables: Variables


@dataclass(frozen=True, eq=False)
class Subject:
    """name: the run's; split, lane, variables, seed: of the first of `models`.

    warning: which damaged checkpoint was passed over, if one was
    """

    name: str
    experiment: Experiment
    data: Data
    split: Split
    spec: Spec
    lane: Lane
    variables: Variables
    seed: int
    models: tuple[Model, ...] = ()
    warning: str | None = None

    @cached_property
    def analysed(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of the training examples whose loss is analysed."""
        return self.rows(self.split.train[:MOST_ROWS])

    @property
    def unseen(self) -> np.ndarray:
        """The rows of the test split, else of the validation split."""
        return self.split.test if len(self.split.test) else self.split.validation

    @property
    def members(self) -> list[Model]:
        """The models of this seed: several, where the run trains an ensemble."""
        return [model for model in self.models if model.trial.seed == self.seed]

    def rows(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(raw inputs, targets in the loss's units) of some rows, float64."""
        lanes = (self.lane, rows.astype(np.int32), *prepare_shared(self.data))
        inputs, targets = self.call(programs.raw, lanes)
        return inputs.astype(np.float64), targets.astype(np.float64)

    def predict(self, model: Model, rows: np.ndarray) -> np.ndarray:
        """(n, K) of a model for some rows: logits, or numbers in the target's units."""
        inputs, _ = self.rows(rows)
        lane = prepare_lane(model.trial, self.data, model.split)._replace(own={})
        return self.outputs(inputs, lane, model.variables) * lane.target_scale + lane.target_mean

    def outputs(self, inputs: np.ndarray, lane: Lane, variables: Variables) -> np.ndarray:
        """(n, K) for raw inputs, in blocks of one size."""
        blocks = -(-len(inputs) // BLOCK)
        size = -(-len(inputs) // blocks)
        padded = np.resize(inputs, (blocks * size, *inputs.shape[1:])).astype(np.float32)
        found = [self.call(programs.outputs, (lane, variables, block)) for block in np.split(padded, blocks)]
        return np.concatenate(found)[: len(inputs)]

    @cached_property
    def double(self) -> tuple[Lane, Variables]:
        """Lane and variables in float64."""
        found: tuple[Lane, Variables] = jax.tree.map(_double, (self.lane, self.variables))
        return found

    def call(self, function: Callable[..., Any], lanes: Tree, x64: bool = False) -> Any:
        """`function(spec, experiment, *lanes)`, compiled once."""
        return call(function, self.spec, (self.experiment, *lanes), x64)


def call(function: Callable[..., Any], spec: Spec, lane: Tree, x64: bool = False) -> Any:
    """`function(spec, *lane)` on the first device, compiled once."""
    layout = Layout(1, tuple(jax.devices()[:1]), "map")
    with jax.enable_x64(x64):
        arguments = layout.put(stack([lane]), over_lanes=True)
        program = compile_over_lanes(function, layout, (), arguments, (spec,))
        return jax.tree.map(lambda x: np.asarray(x)[0], program.call(*arguments))


def subject_of(run: Run) -> Subject:
    """The subject of a run. Raises RunError where it is damaged or all its seeds diverged."""
    experiment = read_experiment(run)
    data = load_data(experiment.dataset)
    arrays, meta, warning = run.load_checkpoint("best")
    lost = diverged(run)  # their best weights may be finite, but their training cannot be made once more
    models = [
        model
        for model in _models(arrays, meta, experiment, data)
        if (model.trial.seed, model.trial.member) not in lost and _is_finite(model.variables)
    ]
    if not models:
        raise RunError(f"{run.path}: every seed diverged; there is nothing to explain")
    first = models[0]
    lane = prepare_lane(first.trial, data, first.split)._replace(own={})
    whole = replace(first.trial.experiment.training, precision="float32")
    exact = replace(first.trial.experiment, training=whole)
    return Subject(
        run.name, exact, data, first.split, spec_of(exact, data), lane, first.variables, first.trial.seed,
        tuple(models), warning,
    )  # fmt: skip


def _models(arrays: Arrays, meta: dict[str, Any], experiment: Experiment, data: Data) -> Iterator[Model]:
    """Those of a checkpoint, in its order."""
    every = trials(experiment)
    base = {seed: split(experiment.dataset, data, seed) for seed in experiment.training.seeds}
    splits = [members_split(trial, base[trial.seed]) for trial in every]
    if meta["refit"]:
        every, splits = refit_parts(every, base)
    where = {(trial.seed, trial.member): index for index, trial in enumerate(every)}
    for number, who in enumerate(meta["models"]):
        saved = Variables(**nested(below(arrays, f"{number}/"))["variables"])
        for place, pair in enumerate(zip(who["seeds"], who["members"], strict=True)):
            variables = jax.tree.map(lambda x, place=place: x[place], saved)
            yield Model(every[where[pair]], splits[where[pair]], variables)


def _is_finite(variables: Variables) -> bool:
    return all(np.all(np.isfinite(x)) for x in jax.tree.leaves(variables))


def _double(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x
