"""A saved run as the diagnostics see it: its first model that did not diverge, the others, its data and its lane."""

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
MOST_ROWS = 2000  # training examples in the loss that is analysed, the first of the split
BLOCK = 500  # examples in one forward pass


@dataclass(frozen=True)
class Model:
    """A trained model of a run.

    split: its rows, those it was trained on among them
    variables: as selected
    fitted: what training fitted and the checkpoint keeps (`saved_lane`); None: fit it on the split
    """

    trial: Trial
    split: Split
    variables: Variables
    fitted: Mapping[str, Any] | None = None

    def lane(self, data: Data) -> Lane:
        """The model's constants, but for what methods prepared for its training."""
        lane = prepare_lane(self.trial, data, self.split)._replace(own={})
        return lane if self.fitted is None else restored_lane(lane, self.fitted)


@dataclass(frozen=True, eq=False)
class Subject:
    """name: the run's; split, lane, variables, seed: of the first of `models`.

    models: those of the seeds that count; of a seed with a diverged or untrained lane there is none
    data_changed: whether the data is not what the run was trained on
    warnings: what a user should be told of the checkpoint, the config, the data and the seeds left out
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
        lane = model.lane(self.data)
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


def subject_of(run: Run, data_changed: bool = False, seed: int | None = None) -> Subject:
    """The subject of a run; `data_changed`: explain it on data other than it was trained on, with splits drawn anew.

    Raises RunError where it is damaged, where its config or data has changed, and where no seed counts.
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
    whole = replace(first.trial.experiment.training, precision="float32")
    exact = replace(first.trial.experiment, training=whole)
    warnings = (*saved.warnings, *filter(None, (warning,)), *left_out(saved.diverged, saved.untrained))
    return Subject(
        run.name, exact, data, first.split, spec_of(exact, data), first.lane(data), first.variables, first.trial.seed,
        tuple(models), data_changed and warning is not None, warnings,
    )  # fmt: skip


def _with_first(models: Sequence[Model], seed: int, run: Run) -> list[Model]:
    """The models with those of a seed first. Raises UsageError where it has none."""
    seeds = list(dict.fromkeys(model.trial.seed for model in models))
    if seed not in seeds:
        raise UsageError(f"--seed {seed}: {run.name} can be explained for {', '.join(map(str, seeds)) or 'no seed'}")
    return sorted(models, key=lambda model: model.trial.seed != seed)


def _models(saved: SavedRun, data: Data) -> Iterator[Model]:
    """The models of a checkpoint, in its order."""
    every, splits, _ = saved_trials(saved, data)
    index_of = {(trial.seed, trial.member): index for index, trial in enumerate(every)}
    for entry in saved.entries:
        variables = Variables(**nested(entry.arrays)["variables"])
        for place, pair in enumerate(zip(entry.seeds, entry.members, strict=True)):
            trial, split = every[index_of[pair]], splits[index_of[pair]]
            own = jax.tree.map(lambda x, place=place: x[place], variables)
            yield Model(trial, split, own, saved_lane(entry, place))


def _is_finite(variables: Variables) -> bool:
    return all(np.all(np.isfinite(x)) for x in jax.tree.leaves(variables))


def _double(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x
