"""From a dataset on the host to what the programs take: NumPy only."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from regexp.datasets.base import Data, Split
from regexp.datasets.splits import merged
from regexp.engine.step import Lane, Shared, Spec
from regexp.experiment import Experiment, Trial
from regexp.losses import loss_for
from regexp.preprocessing.base import fit_all
from regexp.regularizers.base import Regularizer


def spec_of(experiment: Experiment, data: Data) -> Spec:
    """What programs for this experiment on this data are compiled for."""
    loss = experiment.training.loss or loss_for(data.task)
    steps = experiment.dataset.steps(data.codec)
    return Spec(data.inputs.shape[1:], data.outputs, data.task, loss, steps)


def prepare_shared(data: Data) -> Shared:
    """The dataset as the device holds it: tables and targets in float32, relative to the data's offsets."""
    return Shared(as_stored(data.inputs).reshape(len(data.inputs), -1), as_stored(data.targets))


def as_stored(values: np.ndarray) -> np.ndarray:
    """Values in the type that the device holds: float32 for float64, else their own."""
    return values.astype(np.float32) if values.dtype == np.float64 else values


def prepare_lane(trial: Trial, data: Data, split: Split, base: Split | None = None) -> Lane:
    """One lane's constants: rows, fitted preprocessing, ranges, target scale, key.

    split: of this very trial; base: of its seed, where members of an ensemble draw rows of their own from that
    """
    experiment, train = trial.experiment, split.train
    steps = experiment.dataset.steps(data.codec)
    low, high = _range(data, train)
    mean, scale = target_units(data, train)
    return Lane(
        key=np.asarray([member_of(trial), trial.seed], np.uint32),  # of member 0: jax.random.PRNGKey(seed)
        train=train.astype(np.int32),
        measured=train[: experiment.evaluation.train_limit].astype(np.int32),  # a sample: splits have no order
        validation=split.validation[: experiment.evaluation.validation_limit].astype(np.int32),
        fitted=fit_all(steps, data.inputs[train]),
        low=low,
        high=high,
        target_mean=mean,
        target_scale=scale,
        epochs=np.asarray(2**31 - 1, np.int32),
        began=np.asarray(0, np.int32),
        own=_own(trial, data, base or split),
    )


def target_units(data: Data, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mean, scale) (outputs,) by which a regression's targets are standardised; 0 and 1 for classification."""
    if data.task == "classification":
        return np.zeros(data.outputs, np.float32), np.ones(data.outputs, np.float32)
    targets = data.targets[rows].astype(np.float64)
    mean, scale = targets.mean(0), targets.std(0)
    return mean.astype(np.float32), np.where(scale > 0, scale, 1.0).astype(np.float32)


def _own(trial: Trial, data: Data, split: Split) -> dict[str, dict[str, np.ndarray]]:
    """Each method's constants, from a stream of its own that all members of an ensemble share."""
    found = {}
    for method in trial.experiment.regularizers:
        if method.overrides("prepare"):
            found[method.name] = method.prepare(data, split, _generator(trial.seed, method, "prepare"))
    return found


def members_split(trial: Trial, split: Split) -> Split:
    """The split of one member of an ensemble: a method may give it training rows of its own."""
    train = split.train
    for method in trial.experiment.regularizers:
        if method.resamples:
            train = method.resample(train, _generator(trial.seed, method, "resample", trial.member))
    return replace(split, train=train)


def refits(experiment: Experiment) -> str | None:
    """`epochs` or `steps` where a method wants to train again on training + validation data."""
    return next((m.unit for m in experiment.regularizers if getattr(m, "refit", False)), None)  # type: ignore[attr-defined]


def refit_parts(trials: Sequence[Trial], base: Mapping[int, Split]) -> tuple[list[Trial], list[Split]]:
    """The trials of the second training, without what stops them, and splits whose training part has it all."""
    splits = [base[trial.seed] for trial in trials]
    empty = np.zeros(0, np.int32)
    joined = [merged(part.train, part.validation, t.seed) for part, t in zip(splits, trials, strict=True)]
    refit_splits = [Split(train, empty, part.test) for train, part in zip(joined, splits, strict=True)]
    methods = tuple(m for m in trials[0].experiment.regularizers if not getattr(m, "refit", False))
    experiment = replace(
        trials[0].experiment, regularizers=methods, dataset=replace(trials[0].experiment.dataset, validation=0.0)
    )
    return [replace(trial, experiment=experiment) for trial in trials], refit_splits


def member_of(trial: Trial) -> int:
    """Which random numbers a trial uses beside its seed: 0 where members share them."""
    return trial.member if any(method.reseeds for method in trial.experiment.regularizers) else 0


def _generator(seed: int, method: Regularizer, hook: str, *more: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(f"{method.name}/{hook}".encode()), *more])


def _range(data: Data, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if data.is_image:
        return np.asarray(0, np.float32), np.asarray(1, np.float32)
    inputs = data.inputs[rows]
    low = np.nanmin(inputs, 0, initial=np.inf)  # infinite where a column is missing in all rows
    high = np.nanmax(inputs, 0, initial=-np.inf)
    return (
        np.where(np.isfinite(low), low, 0).astype(np.float32),
        np.where(np.isfinite(high), high, 0).astype(np.float32),
    )
