"""The first steps of a run once more, with batch norm and without it; what is measured on the way.

Both networks start from the same kernels and see the same batches, draws and learning rate. Methods that choose, stop
or average (loop, ensembles) are left out: they change no step.
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

PROBES, BETWEEN = 20, 20  # measurements, and steps from one to the next
WATCHED = 500  # training examples whose activations are watched, at most
FACTORS = np.asarray([0.5, 1.0, 2.0, 4.0], np.float32)  # along the update; Santurkar et al.: 1/2 to 4 of it


@dataclass(frozen=True)
class Trajectory:
    """Of one network, at P probes.

    steps: (P,) made before each
    quartiles: {layer: (P, 3, units)} of the inputs to its nonlinearity
    loss: (P,) of the batch that the step is made on, as trained; gradient: (P,) its norm
    losses, changes: (P, F) the loss, and the norm of the gradient's change, after F times the update; lengths: (P, F)
    """

    steps: np.ndarray
    quartiles: dict[str, np.ndarray]
    loss: np.ndarray
    gradient: np.ndarray
    losses: np.ndarray
    changes: np.ndarray
    lengths: np.ndarray


def has_batch_norm(subject: Subject) -> bool:
    """Whether there are layers that it normalises; a linear model has none."""
    return bool(subject.variables.state.get("batch_norm"))


@cache
def trajectories(subject: Subject) -> tuple[Trajectory, Trajectory]:
    """(with batch norm, without)."""
    kept = tuple(m for m in subject.experiment.regularizers if m.acts_on() not in ("loop", "ensembles"))
    without = tuple(m for m in kept if m.name != "batch_norm")
    one, other = (_trajectory(subject, replace(subject.experiment, regularizers=some)) for some in (kept, without))
    return one, other


def _trajectory(subject: Subject, experiment: Experiment) -> Trajectory:
    trial, split = replace(subject.models[0].trial, experiment=experiment), subject.split
    size = batch_size(experiment, len(split.train))
    order = _batches((trial.seed, member_of(trial)), split.train, size, experiment.training.epochs)
    lane = prepare_lane(trial, subject.data, split)
    inputs, targets = prepare_shared(subject.data)
    watched = split.train[:WATCHED].astype(np.int32)
    observed = replace(experiment, regularizers=(*experiment.regularizers, Recorder()))
    arguments = (experiment, observed, lane, inputs, targets, order, watched, FACTORS)
    found = call(programs.trajectory, spec_of(experiment, subject.data), arguments)
    quartiles = {name.removesuffix("/pre"): q for name, q in found.pop("quartiles").items()}
    return Trajectory(np.arange(len(order)) * order.shape[1], quartiles, **found)


def _batches(seed: tuple[int, int], rows: np.ndarray, size: int, epochs: int) -> np.ndarray:
    """(P, steps from one to the next, B) of the run's own batches; fewer probes where it has fewer steps."""
    per_epoch = len(rows) // size
    steps = min(PROBES * BETWEEN, epochs * per_epoch)
    between = max(1, steps // PROBES)
    probes = steps // between
    found = (epoch_order(seed, epoch, rows, size) for epoch in count())
    taken = np.concatenate([next(found) for _ in range(-(-probes * between // per_epoch))])
    return taken[: probes * between].reshape(probes, between, size).astype(np.int32)
