"""The nouns: an Experiment is what one YAML file says; a Trial is one seed of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, Len

from regexp.core.component import Component, Count, Natural, NonNegative, Positive, component, static
from regexp.datasets.base import Dataset
from regexp.datasets.digits import Digits
from regexp.models.base import Model
from regexp.models.mlp import MLP
from regexp.optimizers.adam import Adam
from regexp.optimizers.base import Optimizer
from regexp.regularizers.base import Regularizer
from regexp.schedules.base import ENTIRE_RUN


@component
class Training(Component):
    """How long and on what.

    epochs: passes over the training split, >= 1
    batch_size: examples per update, or `all`; an epoch's incomplete last batch is left out, another part each epoch
    seeds: one lane each; a seed fixes split, initialisation, batch order and every method's draws
    precision: float32, or bfloat16 for the forward and backward pass (parameters stay float32)
    loss: cross_entropy or squared_error; by the task where left out
    select: the epoch at which a run is measured and whose model is saved: last (default), or best by the monitored
        metric, which needs validation data; early_stopping selects the best epoch by itself
    monitor: the metric by which the best epoch is chosen
    """

    epochs: Count = 30
    batch_size: Count | Literal["all"] = static(default=64)
    seeds: Annotated[tuple[Natural, ...], Len(min_length=1)] = (0,)
    precision: Literal["float32", "bfloat16"] = "float32"
    loss: Literal["cross_entropy", "squared_error"] | None = None
    select: Literal["last", "best"] = "last"
    monitor: str = "validation/loss"


@component
class Attacks(Component):
    """Robust accuracy of the test split under attacks of these sizes; an upper bound, a better attack may find more.

    epsilons: sizes in raw input units (images: 1 is black to white)
    steps: of projected gradient descent; FGSM, which is one step, is always measured beside it
    """

    epsilons: Annotated[tuple[Positive, ...], Len(min_length=1)] = (0.01, 0.03, 0.1)
    steps: Annotated[int, Ge(2), Le(1000)] = static(default=10)


@component
class Evaluation(Component):
    """What is measured.

    every: epochs between two evaluations during training; the last epoch is always evaluated. Only an evaluated epoch
        can be the best one; early stopping's patience counts all epochs
    ece_bins: equal-width confidence bins of the expected calibration error
    train_limit: training examples (the first of the split) measured in evaluation mode after each epoch; at the end all
    validation_limit: validation examples (the first of the split) measured after each epoch; null measures all; at the
        end all
    mc_samples: passes with noise drawn (dropout on, running statistics) whose mean predicts the test split at the end
        beside the usual prediction; 0 is off
    attacks: robust accuracy at the end; null is off
    """

    every: Count = 1
    ece_bins: Count = static(default=15)
    train_limit: Count = static(default=2000)
    validation_limit: Count | None = static(default=None)
    mc_samples: Natural = static(default=0)
    attacks: Attacks | None = None


@component
class Run(Component):
    """How the run behaves; nothing here changes a number in it.

    checkpoint_seconds: at least this long between two saved checkpoints
    """

    checkpoint_seconds: NonNegative = 10.0


@component
class Experiment(Component):
    """Everything one YAML file says, every default filled in.

    conventions: library (default), or lecture: what the file leaves open takes the textbook's form wherever that is
        another one (adam without bias correction, dropout that scales at test, ...); the run prints the forms in force
    """

    dataset: Dataset = static(default=Digits())
    model: Model = MLP()
    regularizers: tuple[Regularizer, ...] = ()
    optimizer: Optimizer = Adam()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    run: Run = static(default=Run())
    conventions: Literal["library", "lecture"] = "library"


@component
class Trial(Component):
    """One experiment with one seed: what a lane trains. `member`: of an ensemble, from 0."""

    experiment: Experiment
    seed: Natural
    member: Natural = 0


def monitor(experiment: Experiment) -> str:
    """What chooses the best epoch: a loop method's `monitor`, else training.monitor."""
    named = [getattr(method, "monitor", None) for method in experiment.regularizers]
    return next((name for name in named if name), experiment.training.monitor)


def selects_best(experiment: Experiment) -> bool:
    """Whether a run is measured at its best epoch: as its methods say, else as training.select; else at its last."""
    by_methods = [m.selects_best for m in experiment.regularizers if m.selects_best is not None]
    best = all(by_methods) if by_methods else experiment.training.select == "best"
    return best and experiment.dataset.validation > 0


def trials(experiment: Experiment) -> list[Trial]:
    """One trial per seed and member of an ensemble, in the order of the config."""
    schedule: Any = experiment.optimizer.schedule
    if getattr(schedule, "length", 0.0) is None:
        schedule = replace(schedule, length=ENTIRE_RUN)
    optimizer = replace(experiment.optimizer, schedule=schedule)
    alone = replace(experiment, optimizer=optimizer, training=replace(experiment.training, seeds=(0,)))
    members = range(max((method.lanes() for method in experiment.regularizers), default=1))
    return [Trial(experiment=alone, seed=seed, member=m) for seed in experiment.training.seeds for m in members]
