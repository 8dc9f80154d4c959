"""A saved run as the diagnostics see it: its first model that did not diverge, with its data and its lane."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from regexp.datasets.base import Data, Split
from regexp.datasets.splits import split
from regexp.diagnostics import programs
from regexp.errors import RunError
from regexp.experiment import Experiment, trials
from regexp.inference import read_experiment
from regexp.lazy import jax
from regexp.runs import Run
from regexp.training.group import nested
from regexp.training.lanes import Layout, compile_over_lanes, stack
from regexp.training.prepare import members_split, prepare_lane, refit_parts, spec_of
from regexp.training.stage import below
from regexp.training.step import Lane, Spec, Variables

Tree = Any
MOST_ROWS = 2000  # training examples in the loss that is analysed, the first of the split


@dataclass(frozen=True)
class Subject:
    """name: the run's; variables: as selected; seed: of this model."""

    name: str
    experiment: Experiment
    data: Data
    split: Split
    spec: Spec
    lane: Lane
    variables: Variables
    seed: int

    @cached_property
    def analysed(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets of the training examples whose loss is analysed."""
        return self.rows(self.split.train[:MOST_ROWS])

    def rows(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(raw inputs, targets in the loss's units) of some rows, float64."""
        lanes = (self.lane, rows.astype(np.int32), self.data.inputs.reshape(len(self.data.inputs), -1),
                 self.data.targets)  # fmt: skip
        inputs, targets = self.call(programs.raw, lanes)
        return inputs.astype(np.float64), targets.astype(np.float64)

    @cached_property
    def double(self) -> tuple[Lane, Variables]:
        """Lane and variables in float64."""
        found: tuple[Lane, Variables] = jax.tree.map(_double, (self.lane, self.variables))
        return found

    def call(self, function: Callable[..., Any], lanes: Tree, x64: bool = False) -> Any:
        """`function(spec, experiment, *lanes)`, compiled once."""
        layout = Layout(1, tuple(jax.devices()[:1]), "map")
        with jax.enable_x64(x64):
            arguments = layout.put(stack([(self.experiment, *lanes)]), over_lanes=True)
            program = compile_over_lanes(function, layout, (), arguments, (self.spec,))
            return jax.tree.map(lambda x: np.asarray(x)[0], program.call(*arguments))


def subject_of(run: Run) -> Subject:
    """The subject of a run. Raises RunError where it is damaged or all its seeds diverged."""
    experiment = read_experiment(run)
    data = experiment.dataset.load()
    arrays, meta, _ = run.load_checkpoint("best")
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
            if all(np.all(np.isfinite(x)) for x in jax.tree.leaves(variables)):
                trial, own = every[where[pair]], splits[where[pair]]
                lane = prepare_lane(trial, data, own)._replace(own={})
                whole = replace(trial.experiment.training, precision="float32")
                exact = replace(trial.experiment, training=whole)
                return Subject(run.name, exact, data, own, spec_of(exact, data), lane, variables, trial.seed)
    raise RunError(f"{run.path}: every seed diverged; there is nothing to explain")


def _double(x: Any) -> np.ndarray:
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x
