"""What the checks share: the config's first lanes, short trainings, predictions; every program is compiled once.

Everything works on copies: the methods that only choose, average or stop (loop, ensembles) are left out, and so is one
that takes labels away, because batches have at most 32 examples (16 where the model convolves). A measurement takes at
most 256 rows. All is float32 or float64, whatever precision the config trains in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import count
from typing import Any

import numpy as np

from regexp.checks import programs
from regexp.config import Facts, Loaded
from regexp.core.component import is_static
from regexp.core.lazy import jax
from regexp.datasets.base import Data, Split
from regexp.datasets.loading import load_data
from regexp.datasets.splits import split
from regexp.engine.batches import batch_size
from regexp.engine.lanes import Layout, compile_over_lanes, stack
from regexp.engine.prepare import as_stored, prepare_lane, spec_of
from regexp.engine.step import Lane, Variables
from regexp.experiment import Experiment, Trial
from regexp.initializers.he import He
from regexp.regularizers.base import Regularizer

Array = Any
Tree = Any

BATCH, CONVOLVED = 32, 16  # examples of a batch; convolutions cost most, and have a range test like that of 32 or 64
ROWS = 256
CAPACITY = 2000  # steps of the longest training; gradient descent on a linear model needs them
DIFFERENTIATED = 8  # examples under the finite differences
PLACES = 8  # coordinates of each trained array
# Three widths: the smallest error counts, because a unit's kink may lie inside one of them, and a bug in all.
WIDTHS = (1e-5, 1e-6, 1e-7)
FIRST = 2  # of them are tried, the third where they fail


@dataclass(frozen=True)
class Job:
    """A short training of one lane.

    rates: of each step
    data: where it is not the bench's
    rows: to train on, where they are not the training split
    enough: stop once a batch's loss is below this
    variables: to begin with, where they are not `Bench.start`'s
    """

    experiment: Experiment
    seed: int
    rates: np.ndarray
    data: Data | None = None
    rows: np.ndarray | None = None
    enough: float = 0.0
    variables: Variables | None = None


@dataclass(frozen=True)
class Trained:
    """losses: (steps made,) of the batches."""

    losses: np.ndarray
    variables: Variables


@dataclass(frozen=True)
class Derivative:
    """gradient: like the parameters; automatic (places,), differences (widths, places): at some coordinates."""

    gradient: Tree
    automatic: np.ndarray
    differences: np.ndarray


class Bench:
    """A config and its data.

    seeds: three, those of the config first
    notes: what a user should know of the data
    """

    def __init__(self, experiment: Experiment, data: Data):
        methods = tuple(m for m in experiment.regularizers if not _left_out(m))
        training = replace(experiment.training, seeds=(0,), precision="float32")
        self.whole, self.data, self.notes = experiment, data, data.notes
        self.experiment = replace(experiment, regularizers=methods, training=training)
        more = (seed for seed in count() if seed not in experiment.training.seeds)
        self.seeds = (*experiment.training.seeds, *(next(more) for _ in range(3)))[:3]
        self.splits: dict[int, Split] = {seed: split(experiment.dataset, data, seed) for seed in self.seeds}
        self.spec = spec_of(experiment, data)
        batch = CONVOLVED if experiment.model.images_only else BATCH
        self.batch = min(batch, len(self.splits[self.seeds[0]].train))

    # -- lanes --------------------------------------------------------------------------------------------------------

    def lane(self, experiment: Experiment, seed: int, data: Data | None = None) -> Lane:
        """The constants of one seed; methods prepare them from their own numbers."""
        return prepare_lane(Trial(experiment=experiment, seed=seed), data or self.data, self.splits[seed])

    def first(self, seed: int, experiment: Experiment | None = None) -> Variables:
        """Variables as the config's training starts."""
        experiment = experiment or self.experiment
        lane = replace_own(self.lane(experiment, seed))
        return self._call(programs.first_variables, [(experiment, lane)], shared=())[0]

    @cache  # noqa: B019 - a bench lives as long as its command
    def start(self, seed: int) -> Variables:
        """`first`, but drawn by He where the config draws units that are alike: one fault, one failing check."""
        own = self.first(seed)
        if not any(alike(own)):
            return own
        model = replace(self.experiment.model, initializer=He())
        return self.first(seed, replace(self.experiment, model=model))

    # -- work ---------------------------------------------------------------------------------------------------------

    def train(self, jobs: Sequence[Job]) -> list[Trained]:
        """Short trainings, as many side by side as there are devices."""
        found = self._call(programs.short_training, [self._arguments(job) for job in jobs])
        return [Trained(losses[: int(made)], variables) for losses, variables, made in found]

    def _arguments(self, job: Job) -> tuple[Any, ...]:
        data = job.data or self.data
        rows = self.splits[job.seed].train if job.rows is None else job.rows
        order, rates = np.zeros((CAPACITY, self.batch), np.int32), np.zeros(CAPACITY, np.float32)
        steps = len(job.rates)
        order[:steps] = batches(rows, steps, self.batch, job.seed)
        rates[:steps] = job.rates
        lane = self.lane(job.experiment, job.seed, data)
        variables = self.start(job.seed) if job.variables is None else job.variables
        return (
            job.experiment, lane, as_stored(data.targets), variables, order, rates, np.asarray(steps, np.int32),
            np.asarray(job.enough, np.float32),
        )  # fmt: skip

    def predict(self, asked: Sequence[tuple[int, Variables, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """(outputs, data losses) for each (seed, variables, rows); of at most 256 rows, the first."""
        lanes = [
            (self.experiment, self.lane(self.experiment, seed), as_stored(self.data.targets), variables, padded(rows))
            for seed, variables, rows in asked
        ]
        found = self._call(programs.predictions, lanes)
        return [(a[: len(rows)], b[: len(rows)]) for (a, b), (_, _, rows) in zip(found, asked, strict=True)]

    def augmented(self, experiment: Experiment, seed: int, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """(inputs as training sees them, their targets, the targets as they were)."""
        lane = self.lane(experiment, seed)
        return self._call(programs.augmented, [(experiment, lane, as_stored(self.data.targets), padded(rows))])[0]

    # -- in float64 ---------------------------------------------------------------------------------------------------

    @cache  # noqa: B019
    def derivatives(self, widths: int) -> dict[str, Derivative]:
        """Autodiff and central differences of every term of the loss, at weights moved off their kinks."""
        batch, keys, lane, variables = self._double
        generator = np.random.default_rng([self.seeds[0], 2])
        where = coordinates(variables.parameters, generator)
        with jax.enable_x64(True):
            lanes = [(batch, keys, self.experiment, lane, variables, where, np.asarray(h)) for h in WIDTHS[:widths]]
            found = self._call(programs.derivatives, lanes, shared=())
        first, differences = found[0], {name: np.stack([one[name][2] for one in found]) for name in found[0]}
        return {name: Derivative(first[name][0], first[name][1], differences[name]) for name in first}

    def rises(self, methods: Sequence[Regularizer]) -> tuple[list[float], Tree]:
        """(by how much the loss rises when each method is switched on, the weights where that is measured)."""
        batch, keys, lane, variables = self._double
        without = [replace_method(self.experiment, weakened(method, 0.0)) for method in methods]
        with jax.enable_x64(True):
            lanes = [(batch, keys, one, lane, variables) for one in (self.experiment, *without)]
            (total, params), *others = self._call(programs.total_loss, lanes, shared=())
        return [float(total - other) for other, _ in others], params

    @cached_property
    def _double(self) -> tuple[Tree, Tree, Lane, Variables]:
        """The first seed's batch, keys, lane and variables; the variables are moved off where they start, 0 and 1."""
        seed = self.seeds[0]
        lane, rows = self.lane(self.experiment, seed), self.splits[seed].train[:DIFFERENTIATED]
        batch, keys = self._call(programs.batch_of, [(self.experiment, lane, as_stored(self.data.targets), rows)])[0]
        batch, lane, variables = jax.tree.map(_double, (batch, lane, self.start(seed)))
        generator = np.random.default_rng([seed, 3])
        moved = jax.tree.map(lambda x: x + 0.05 * generator.normal(size=x.shape), variables.parameters)
        return batch, keys, lane, variables._replace(parameters=moved)

    @property
    def total_steps(self) -> int:
        """Updates of the config's whole run."""
        train = len(self.splits[self.seeds[0]].train)
        return self.whole.training.epochs * (train // batch_size(self.whole, train))

    @cached_property
    def inputs(self) -> np.ndarray:
        return as_stored(self.data.inputs).reshape(len(self.data.inputs), -1)

    def _call(self, function: Callable[..., Any], lanes: Sequence[Tree], shared: Tree | None = None) -> list[Any]:
        """A program's answer for each lane; a lane is the arguments that `function` takes behind the shared ones."""
        devices = tuple(jax.devices()[: len(lanes)])
        layout = Layout(len(devices), devices, "map")
        if shared is None:
            shared = (self._on_devices(layout),)
        answers: list[Any] = []
        for begin in range(0, len(lanes), layout.lanes):
            some = list(lanes[begin : begin + layout.lanes])
            full = some + [some[-1]] * (layout.lanes - len(some))
            arguments = layout.put(stack(full), over_lanes=True)
            program = compile_over_lanes(function, layout, shared, arguments, (self.spec,))
            answer = jax.device_get(program.call(*shared, *arguments))
            answers += [jax.tree.map(lambda x, i=i: x[i], answer) for i in range(len(some))]
        return answers

    @cache  # noqa: B019
    def _on_devices(self, layout: Layout) -> Array:
        return layout.put(self.inputs, over_lanes=False)


def bench_of(loaded: Loaded) -> Bench:
    """A bench for a config; loads its data. Raises ConfigError where the two do not fit."""
    data = load_data(loaded.experiment.dataset)
    bench = Bench(loaded.experiment, data)
    bench.notes = (*map(str, loaded.check_data(Facts.of(data, bench.splits[bench.seeds[0]]))), *data.notes)
    return bench


def _left_out(method: Regularizer) -> bool:
    return method.acts_on() in ("loop", "ensembles") or method.overrides("transform_losses")


def replace_own(lane: Lane) -> Lane:
    """A lane without what methods prepared: the first variables need none of it."""
    return lane._replace(own={})


def coordinates(parameters: Tree, generator: np.random.Generator) -> np.ndarray:
    """Numbers in the flattened parameters: some of every array."""
    sizes = [x.size for x in jax.tree.leaves(parameters)]
    begins = np.cumsum([0, *sizes[:-1]])
    chosen = [b + generator.choice(n, min(n, PLACES), replace=False) for b, n in zip(begins, sizes, strict=True)]
    return np.concatenate(chosen).astype(np.int32)


def _double(x: Array) -> np.ndarray:
    x = np.asarray(x)
    return x.astype(np.float64) if x.dtype.kind == "f" else x


def batches(rows: np.ndarray, steps: int, size: int, seed: int) -> np.ndarray:
    """(steps, size): one permutation of the rows after another."""
    generator = np.random.default_rng([seed, 1])
    rounds = -(-steps * size // len(rows))
    return np.concatenate([generator.permutation(rows) for _ in range(rounds)])[: steps * size].reshape(steps, size)


def padded(rows: np.ndarray) -> np.ndarray:
    """Exactly 256 of the rows, from the front again where there are fewer: one shape, one program."""
    return np.resize(rows, ROWS).astype(np.int32)


def alike(variables: Variables) -> list[int]:
    """Hidden units of each layer whose incoming weights equal those of another unit of the layer."""
    layers = list(variables.parameters["model"].values())[:-1]
    columns = [np.asarray(layer["kernel"]).reshape(-1, layer["kernel"].shape[-1]).T for layer in layers]
    counts = [np.unique(units, axis=0, return_counts=True)[1] for units in columns]
    return [int(np.sum(c[c > 1])) for c in counts]


def without_regularizers(experiment: Experiment) -> Experiment:
    """Methods at their neutral values, which need no new program; those that have none and draw no noise stay."""
    kept = [weakened(m, 0.0) for m in experiment.regularizers if strengths_of(m) or m.acts_on() in RESHAPING]
    return replace(experiment, regularizers=tuple(kept))


def replace_method(experiment: Experiment, method: Regularizer) -> Experiment:
    """The experiment with this method in the place of its namesake."""
    methods = tuple(method if m.name == method.name else m for m in experiment.regularizers)
    return replace(experiment, regularizers=methods)


RESHAPING = ("activations", "weights")  # normalisation and other forms of the same network


def strengths_of(method: Regularizer) -> list[str]:
    """The traced fields that switch a method off at their neutral values."""
    return [name for name in method.neutral if not is_static(type(method), name)]


def weakened(method: Regularizer, factor: float) -> Regularizer:
    """The strengths of a method times `factor`: 0 is off."""
    names = strengths_of(method)
    at = {name: method.neutral[name] + factor * (getattr(method, name) - method.neutral[name]) for name in names}
    if getattr(method, "input_rate", None) is not None:
        at["input_rate"] = factor * method.input_rate  # type: ignore[attr-defined]
    if len(method.neutral) == 1 and getattr(method, "layers", None):
        at["layers"] = {name: factor * value for name, value in method.layers.items()}  # type: ignore[attr-defined]
    return replace(method, **at)  # type: ignore[type-var]
