"""Repeat the first steps of a run with batch norm and without it, and measure both networks on the way.

Both networks start from the same kernels and see the same batches, draws and learning rate. Methods that select, stop
or average models (loop, ensembles) are excluded: they do not change a step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from itertools import count

import numpy as np

from regexp.diagnostics import programs
from regexp.diagnostics.recorder import Recorder
from regexp.diagnostics.subject import Subject, call
from regexp.engine.batches import batch_size, epoch_order
from regexp.engine.prepare import member_of, prepare_lane, prepare_shared, spec_of
from regexp.experiment import Experiment

PROBES, BETWEEN = 20, 20  # number of measurements, and steps between them
WATCHED = 500  # maximum number of training examples whose activations are recorded
FACTORS = np.asarray([0.5, 1.0, 2.0, 4.0], np.float32)  # multiples of the update; the range of Santurkar et al.


@dataclass(frozen=True)
class Trajectory:
    """The measurements of one network at P probes.

    steps: (P,) training steps before the probe
    quartiles: {layer: (P, 3, units)} of the inputs to its nonlinearity
    loss, gradient: (P,) training loss of the next batch, and the norm of its gradient
    losses, changes: (P, F) the loss and the norm of the gradient's change at F multiples of the update
    lengths: (P, F) norms of these multiples
    """

    steps: np.ndarray
    quartiles: dict[str, np.ndarray]
    loss: np.ndarray
    gradient: np.ndarray
    losses: np.ndarray
    changes: np.ndarray
    lengths: np.ndarray


def has_batch_norm(subject: Subject) -> bool:
    """Whether batch norm normalises any layer; a linear model has none."""
    return bool(subject.variables.state.get("batch_norm"))


@cache
def trajectories(subject: Subject) -> tuple[Trajectory, Trajectory]:
    """Return the trajectories with batch norm and without."""
    methods = tuple(m for m in subject.experiment.regularizers if m.acts_on() not in ("loop", "ensembles"))
    without = tuple(m for m in methods if m.name != "batch_norm")
    return (
        _trajectory(subject, replace(subject.experiment, regularizers=methods)),
        _trajectory(subject, replace(subject.experiment, regularizers=without)),
    )


def _trajectory(subject: Subject, experiment: Experiment) -> Trajectory:
    trial, split = replace(subject.models[0].trial, experiment=experiment), subject.split
    size = batch_size(experiment, len(split.train))
    order = _batches((trial.seed, member_of(trial)), split.train, size, experiment.training.epochs)
    lane = prepare_lane(trial, subject.data, split)
    inputs, targets = prepare_shared(subject.data)
    watched = split.train[:WATCHED].astype(np.int32)
    observed = replace(experiment, regularizers=(*experiment.regularizers, Recorder()))
    arguments = (experiment, observed, lane, inputs, targets, order, watched, FACTORS)
    measurements = call(programs.trajectory, spec_of(experiment, subject.data), arguments)
    quartiles = {name.removesuffix("/pre"): q for name, q in measurements.pop("quartiles").items()}
    return Trajectory(np.arange(len(order)) * order.shape[1], quartiles, **measurements)


def _batches(seed: tuple[int, int], rows: np.ndarray, size: int, epochs: int) -> np.ndarray:
    """Return the run's own batches, (P, steps between probes, B); a short run has fewer probes."""
    per_epoch = len(rows) // size
    steps = min(PROBES * BETWEEN, epochs * per_epoch)
    between = max(1, steps // PROBES)
    probes = steps // between
    orders = (epoch_order(seed, epoch, rows, size) for epoch in count())
    batches = np.concatenate([next(orders) for _ in range(-(-probes * between // per_epoch))])
    return batches[: probes * between].reshape(probes, between, size).astype(np.int32)
