"""Load a saved run for the diagnostics: the model to explain, the run's other models, its data and its lane."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from regexp.core.errors import RunError, UsageError
from regexp.core.lazy import jax
from regexp.datasets.base import Data, Split
from regexp.datasets.loading import load_data
from regexp.diagnostics import programs
from regexp.engine.lanes import Layout, compile_over_lanes, stack
from regexp.engine.prepare import prepare_lane, prepare_shared, spec_of
from regexp.engine.saved import nested
from regexp.engine.step import Lane, Spec, Variables
from regexp.experiment import Experiment, Trial
from regexp.inference import SavedRun, data_of, left_out, open_saved, restored_lane, saved_lane, saved_trials
from regexp.runs import Run

Arrays = dict[str, np.ndarray]
Tree = Any
MOST_ROWS = 2000  # training examples whose loss is analysed: the first ones of the split
BLOCK = 500  # examples in one forward pass


@dataclass(frozen=True)
class Model:
    """A trained model of a run.

    split: rows for training, validation and test
    variables: at the selected epoch
    fitted: preprocessing fitted in training, from the checkpoint (`saved_lane`); None: fit it on the split again
    """

    trial: Trial
    split: Split
    variables: Variables
    fitted: Mapping[str, Any] | None = None

    def lane(self, data: Data) -> Lane:
        """Return the model's constants, without those that methods prepared for training."""
        lane = prepare_lane(self.trial, data, self.split)._replace(own={})
        return lane if self.fitted is None else restored_lane(lane, self.fitted)


@dataclass(frozen=True, eq=False)
class Subject:
    """A saved run to explain; split, lane, variables and seed are those of the first model.

    models: all models of seeds without a diverged or untrained lane
    data_changed: whether the data differs from what the run was trained on
    warnings: messages for the user about the checkpoint, the config, the data and excluded seeds
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
    data_changed: bool = False
    warnings: tuple[str, ...] = ()

    @cached_property
    def analysed(self) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and targets of the training examples whose loss is analysed."""
        return self.rows(self.split.train[:MOST_ROWS])

    @property
    def unseen(self) -> np.ndarray:
        """Return the rows of the test split, or of the validation split if there is no test split."""
        return self.split.test if len(self.split.test) else self.split.validation

    @property
    def members(self) -> list[Model]:
        """Return the models of this seed: several if the run trains an ensemble."""
        return [model for model in self.models if model.trial.seed == self.seed]

    def rows(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return raw inputs and targets, in the units of the loss, of some rows in float64."""
        lanes = (self.lane, rows.astype(np.int32), *prepare_shared(self.data))
        inputs, targets = self.call(programs.raw, lanes)
        return inputs.astype(np.float64), targets.astype(np.float64)

    def predict(self, model: Model, rows: np.ndarray) -> np.ndarray:
        """Return a model's predictions (n, K) for some rows: logits, or numbers in the units of the target."""
        inputs, _ = self.rows(rows)
        lane = model.lane(self.data)
        return self.outputs(inputs, lane, model.variables) * lane.target_scale + lane.target_mean

    def outputs(self, inputs: np.ndarray, lane: Lane, variables: Variables) -> np.ndarray:
        """Return the outputs (n, K) for raw inputs."""
        blocks = -(-len(inputs) // BLOCK)
        size = -(-len(inputs) // blocks)
        # Blocks of equal size share one program; np.resize pads the last one by repeating inputs.
        padded = np.resize(inputs, (blocks * size, *inputs.shape[1:])).astype(np.float32)
        computed = [self.call(programs.outputs, (lane, variables, block)) for block in np.split(padded, blocks)]
        return np.concatenate(computed)[: len(inputs)]

    @cached_property
    def double(self) -> tuple[Lane, Variables]:
        """Return lane and variables in float64."""
        converted: tuple[Lane, Variables] = jax.tree.map(_double, (self.lane, self.variables))
        return converted

    def call(self, function: Callable[..., Any], lanes: Tree, x64: bool = False) -> Any:
        """Call `function(spec, experiment, *lanes)`, compiled once."""
        return call(function, self.spec, (self.experiment, *lanes), x64)


def call(function: Callable[..., Any], spec: Spec, lane: Tree, x64: bool = False) -> Any:
    """Call `function(spec, *lane)` on the first device, compiled once."""
    layout = Layout(1, tuple(jax.devices()[:1]), "map")
    with jax.enable_x64(x64):
        arguments = layout.put(stack([lane]), over_lanes=True)
        program = compile_over_lanes(function, layout, (), arguments, (spec,))
        return jax.tree.map(lambda x: np.asarray(x)[0], program.call(*arguments))


def subject_of(run: Run, data_changed: bool = False, seed: int | None = None) -> Subject:
    """Load a run to explain.

    data_changed: accept data that differs from what the run was trained on; splits are then drawn anew
    seed: the seed to explain; default: the first
    Raises RunError if the run is damaged, if its config or data has changed, or if no seed has finite weights.
    """
    saved = open_saved(run)
    usable = saved.usable
    data, warning = data_of(saved, load_data(saved.experiment.dataset), data_changed)
    # The best weights of a diverged seed may be finite, but its training cannot be repeated.
    models = [m for m in _models(saved, data) if m.trial.seed in usable and _is_finite(m.variables)]
    if seed is not None:
        models = _with_first(models, seed, run)
    if not models:
        raise RunError(f"{run.path}: no seed has finite weights, so there is nothing to explain")
    first = models[0]
    full_precision = replace(first.trial.experiment.training, precision="float32")
    exact = replace(first.trial.experiment, training=full_precision)
    warnings = (*saved.warnings, *filter(None, (warning,)), *left_out(saved.diverged, saved.untrained))
    return Subject(
        run.name, exact, data, first.split, spec_of(exact, data), first.lane(data), first.variables, first.trial.seed,
        tuple(models), data_changed and warning is not None, warnings,
    )  # fmt: skip


def _with_first(models: Sequence[Model], seed: int, run: Run) -> list[Model]:
    """Return the models with those of `seed` first. Raises UsageError if there are none."""
    seeds = list(dict.fromkeys(model.trial.seed for model in models))
    if seed not in seeds:
        raise UsageError(f"--seed {seed}: {run.name} can be explained for {', '.join(map(str, seeds)) or 'no seed'}")
    return sorted(models, key=lambda model: model.trial.seed != seed)


def _models(saved: SavedRun, data: Data) -> Iterator[Model]:
    """Yield the models of a checkpoint, in its order."""
    every, splits, _ = saved_trials(saved, data)
    index_of = {(trial.seed, trial.member): index for index, trial in enumerate(every)}
    for entry in saved.entries:
        variables = Variables(**nested(entry.arrays)["variables"])
        for place, pair in enumerate(zip(entry.seeds, entry.members, strict=True)):
            trial, split = every[index_of[pair]], splits[index_of[pair]]
            of_member = jax.tree.map(lambda x, place=place: x[place], variables)
            yield Model(trial, split, of_member, saved_lane(entry, place))


def _is_finite(variables: Variables) -> bool:
    return all(np.all(np.isfinite(x)) for x in jax.tree.leaves(variables))


def _double(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x
