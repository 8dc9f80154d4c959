"""The bench that the checks share: lanes of a config, short trainings and predictions, each program compiled once.

The checks work on copies of the config. Methods that only select, average or stop (loop, ensembles) are left out, and
so is one that removes labels, because batches have at most 32 examples (16 if the model convolves). A measurement uses
at most 256 rows. Everything is computed in float32 or float64, regardless of the precision the config trains in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

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
from regexp.regularizers.base import Params, Regularizer

if TYPE_CHECKING:
    from jax import Array

Tree = Any  # a pytree

# Examples per batch. Convolutions cost the most, and their range test at 16 agrees with those at 32 and 64.
BATCH, CONVOLVED = 32, 16
ROWS = 256
CAPACITY = 2000  # steps of the longest training: gradient descent on a linear model needs that many
DIFFERENTIATED = 8  # examples in the batch of the finite differences
PLACES = 8  # coordinates checked in each trained array
# The smallest error over widths counts: a unit's kink lies inside one of the widths, but a bug shows at all of them.
WIDTHS = (1e-5, 1e-6, 1e-7)
FIRST = 2  # widths tried first; the third is tried only if they fail


@dataclass(frozen=True)
class Job:
    """A short training of one lane.

    rates: (steps,) the learning rate of each step
    data: the data to train on; None for the bench's
    rows: the rows to train on; None for the training split
    enough: stop once a batch's loss is below this
    variables: the initial variables; None for those of `Bench.start`
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
    """The result of a `Job`: the batch losses of the executed steps, (steps,), and the final variables."""

    losses: np.ndarray
    variables: Variables


@dataclass(frozen=True)
class Derivative:
    """The derivative of one term of the loss.

    gradient: by autodiff, a tree like the parameters
    automatic: (places,) its entries at the checked coordinates
    differences: (widths, places) central differences at the same coordinates
    """

    gradient: Tree
    automatic: np.ndarray
    differences: np.ndarray


class Bench:
    """A config and its data, with tools that train and measure them.

    configured: the experiment as the user wrote it
    experiment: the same without the methods that the checks leave out, in float32
    seeds: three seeds, beginning with those of the config
    notes: warnings about the data, for the user
    """

    def __init__(self, experiment: Experiment, data: Data):
        methods = tuple(m for m in experiment.regularizers if not _left_out(m))
        training = replace(experiment.training, seeds=(0,), precision="float32")
        self.configured, self.data, self.notes = experiment, data, data.notes
        self.experiment = replace(experiment, regularizers=methods, training=training)
        more = (seed for seed in count() if seed not in experiment.training.seeds)
        self.seeds = (*experiment.training.seeds, *(next(more) for _ in range(3)))[:3]
        self.splits: dict[int, Split] = {seed: split(experiment.dataset, data, seed) for seed in self.seeds}
        self.spec = spec_of(experiment, data)
        batch = CONVOLVED if experiment.model.images_only else BATCH
        self.batch = min(batch, len(self.splits[self.seeds[0]].train))

    # -- lanes --------------------------------------------------------------------------------------------------------

    def lane(self, experiment: Experiment, seed: int, data: Data | None = None) -> Lane:
        """Return the constants of one seed, with what the experiment's methods prepare."""
        return prepare_lane(Trial(experiment=experiment, seed=seed), data or self.data, self.splits[seed])

    def first(self, seed: int, experiment: Experiment | None = None) -> Variables:
        """Return the initial variables of the config's training."""
        experiment = experiment or self.experiment
        lane = without_prepared(self.lane(experiment, seed))
        return self._call(programs.first_variables, [(experiment, lane)], shared=())[0]

    @cache  # noqa: B019 - a bench lives as long as its command
    def start(self, seed: int) -> Variables:
        """Return the initial variables for the trainings of the checks.

        They are `first`, but drawn by He initialization if the config gives equal weights to several units: then only
        the check `symmetry` fails, and not every check that trains.
        """
        variables = self.first(seed)
        if not any(alike(variables)):
            return variables
        model = replace(self.experiment.model, initializer=He())
        return self.first(seed, replace(self.experiment, model=model))

    # -- work ---------------------------------------------------------------------------------------------------------

    def train(self, jobs: Sequence[Job]) -> list[Trained]:
        """Run short trainings, as many at a time as there are devices."""
        answers = self._call(programs.short_training, [self._arguments(job) for job in jobs])
        return [Trained(losses[: int(steps)], variables) for losses, variables, steps in answers]

    def _arguments(self, job: Job) -> tuple[Any, ...]:
        data = job.data or self.data
        rows = self.splits[job.seed].train if job.rows is None else job.rows
        # Padded to CAPACITY: jobs of every length share one program.
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

    def predict(self, requests: Sequence[tuple[int, Variables, np.ndarray]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return outputs (n, outputs) and data losses (n,) for each (seed, variables, rows), of the first 256 rows."""
        lanes = [
            (self.experiment, self.lane(self.experiment, seed), as_stored(self.data.targets), variables, padded(rows))
            for seed, variables, rows in requests
        ]
        pairs = zip(self._call(programs.predictions, lanes), requests, strict=True)
        return [(outputs[: len(rows)], losses[: len(rows)]) for (outputs, losses), (_, _, rows) in pairs]

    def augmented(self, experiment: Experiment, seed: int, rows: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the augmented inputs of 256 rows, their targets after augmentation, and before it."""
        lane = self.lane(experiment, seed)
        return self._call(programs.augmented, [(experiment, lane, as_stored(self.data.targets), padded(rows))])[0]

    # -- in float64 ---------------------------------------------------------------------------------------------------

    @cache  # noqa: B019
    def derivatives(self, widths: int) -> dict[str, Derivative]:
        """Differentiate every term of the loss by autodiff and by central differences, at weights moved off kinks."""
        batch, keys, lane, variables = self._double
        generator = np.random.default_rng([self.seeds[0], 2])
        where = coordinates(variables.parameters, generator)
        with jax.enable_x64(True):
            lanes = [(batch, keys, self.experiment, lane, variables, where, np.asarray(h)) for h in WIDTHS[:widths]]
            terms_by_width = self._call(programs.derivatives, lanes, shared=())
        first = terms_by_width[0]
        differences = {name: np.stack([terms[name][2] for terms in terms_by_width]) for name in first}
        return {name: Derivative(first[name][0], first[name][1], differences[name]) for name in first}

    def rises(self, methods: Sequence[Regularizer]) -> tuple[list[float], Params]:
        """Return by how much the loss rises when each method is switched on, and the weights at which it does."""
        batch, keys, lane, variables = self._double
        without = [replace_method(self.experiment, weakened(method, 0.0)) for method in methods]
        with jax.enable_x64(True):
            lanes = [(batch, keys, experiment, lane, variables) for experiment in (self.experiment, *without)]
            (total, params), *reduced = self._call(programs.total_loss, lanes, shared=())
        return [float(total - reduced_total) for reduced_total, _ in reduced], params

    @cached_property
    def _double(self) -> tuple[Tree, Tree, Lane, Variables]:
        """The first seed's batch, keys, lane and variables in float64.

        The parameters are moved by noise: biases start at exactly 0 and gains at exactly 1, where activations have
        kinks and where a wrong gradient may vanish.
        """
        seed = self.seeds[0]
        lane, rows = self.lane(self.experiment, seed), self.splits[seed].train[:DIFFERENTIATED]
        batch, keys = self._call(programs.batch_of, [(self.experiment, lane, as_stored(self.data.targets), rows)])[0]
        batch, lane, variables = jax.tree.map(_in_float64, (batch, lane, self.start(seed)))
        generator = np.random.default_rng([seed, 3])
        moved = jax.tree.map(lambda x: x + 0.05 * generator.normal(size=x.shape), variables.parameters)
        return batch, keys, lane, variables._replace(parameters=moved)

    @property
    def total_steps(self) -> int:
        """The number of updates of the configured run."""
        train = len(self.splits[self.seeds[0]].train)
        return self.configured.training.epochs * (train // batch_size(self.configured, train))

    @cached_property
    def inputs(self) -> np.ndarray:
        """The inputs of all rows as the device stores them, (n, features)."""
        return as_stored(self.data.inputs).reshape(len(self.data.inputs), -1)

    def _call(self, function: Callable[..., Any], lanes: Sequence[Tree], shared: Tree | None = None) -> list[Any]:
        """Call a function for each lane, one lane per device at a time, and return its answers on the host.

        lanes: for each lane, the arguments that `function` takes after the shared ones
        shared: the arguments common to all lanes; None for the inputs of all rows
        """
        devices = tuple(jax.devices()[: len(lanes)])
        layout = Layout(len(devices), devices, "map")
        if shared is None:
            shared = (self._on_devices(layout),)
        answers: list[Any] = []
        for begin in range(0, len(lanes), layout.lanes):
            chunk = list(lanes[begin : begin + layout.lanes])
            # The last chunk is filled up with copies, so that it runs the same program.
            full = chunk + [chunk[-1]] * (layout.lanes - len(chunk))
            arguments = layout.put(stack(full), over_lanes=True)
            program = compile_over_lanes(function, layout, shared, arguments, (self.spec,))
            answer = jax.device_get(program.call(*shared, *arguments))
            answers += [jax.tree.map(lambda x, i=i: x[i], answer) for i in range(len(chunk))]
        return answers

    @cache  # noqa: B019
    def _on_devices(self, layout: Layout) -> Array:
        return layout.put(self.inputs, over_lanes=False)


def bench_of(loaded: Loaded) -> Bench:
    """Load the data of a config and return a bench for both. Raises ConfigError if they do not fit together."""
    data = load_data(loaded.experiment.dataset)
    bench = Bench(loaded.experiment, data)
    bench.notes = (*map(str, loaded.check_data(Facts.of(data, bench.splits[bench.seeds[0]]))), *data.notes)
    return bench


def _left_out(method: Regularizer) -> bool:
    return method.acts_on() in ("loop", "ensembles") or method.overrides("transform_losses")


def without_prepared(lane: Lane) -> Lane:
    """Return a lane without the arrays that methods prepared, which the initial variables do not depend on."""
    return lane._replace(own={})


def coordinates(parameters: Tree, generator: np.random.Generator) -> np.ndarray:
    """Draw up to `PLACES` coordinates of every array and return their indices in the flattened parameters."""
    sizes = [x.size for x in jax.tree.leaves(parameters)]
    begins = np.cumsum([0, *sizes[:-1]])
    chosen = [b + generator.choice(n, min(n, PLACES), replace=False) for b, n in zip(begins, sizes, strict=True)]
    return np.concatenate(chosen).astype(np.int32)


def _in_float64(leaf: Array | np.ndarray) -> np.ndarray:
    array = np.asarray(leaf)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def batches(rows: np.ndarray, steps: int, size: int, seed: int) -> np.ndarray:
    """Return the rows of each batch, (steps, size), cut from one permutation of the rows after another."""
    generator = np.random.default_rng([seed, 1])
    epochs = -(-steps * size // len(rows))
    return np.concatenate([generator.permutation(rows) for _ in range(epochs)])[: steps * size].reshape(steps, size)


def padded(rows: np.ndarray) -> np.ndarray:
    """Return exactly 256 rows, repeated from the front if there are fewer, so that all calls share one program."""
    return np.resize(rows, ROWS).astype(np.int32)


def alike(variables: Variables) -> list[int]:
    """Count, for each hidden layer, the units whose incoming weights equal those of another unit of the layer."""
    layers = list(variables.parameters["model"].values())[:-1]
    columns = [np.asarray(layer["kernel"]).reshape(-1, layer["kernel"].shape[-1]).T for layer in layers]
    counts = [np.unique(units, axis=0, return_counts=True)[1] for units in columns]
    return [int(np.sum(c[c > 1])) for c in counts]


def without_regularizers(experiment: Experiment) -> Experiment:
    """Return the experiment with its methods at their neutral values.

    Neutral values change no structure, so no new program is compiled. A method without one is removed unless it only
    reshapes the network.
    """
    neutral = [weakened(m, 0.0) for m in experiment.regularizers if strengths_of(m) or m.acts_on() in RESHAPING]
    return replace(experiment, regularizers=tuple(neutral))


def replace_method(experiment: Experiment, method: Regularizer) -> Experiment:
    """Return the experiment with its method of the same name replaced."""
    methods = tuple(method if m.name == method.name else m for m in experiment.regularizers)
    return replace(experiment, regularizers=methods)


RESHAPING = ("activations", "weights")  # normalization and other reparametrizations of the same network


def strengths_of(method: Regularizer) -> list[str]:
    """Return the names of the traced fields whose neutral values switch a method off."""
    return [name for name in method.neutral if not is_static(type(method), name)]


def weakened(method: Regularizer, factor: float) -> Regularizer:
    """Return the method with its strengths scaled by `factor` from their neutral values: 0 is off, 1 is unchanged."""
    names = strengths_of(method)
    scaled = {name: method.neutral[name] + factor * (getattr(method, name) - method.neutral[name]) for name in names}
    if getattr(method, "input_rate", None) is not None:
        scaled["input_rate"] = factor * method.input_rate  # type: ignore[attr-defined]
    if len(method.neutral) == 1 and getattr(method, "layers", None):
        scaled["layers"] = {name: factor * value for name, value in method.layers.items()}  # type: ignore[attr-defined]
    return replace(method, **scaled)  # type: ignore[type-var]
