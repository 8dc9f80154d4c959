"""Metrics of a trained model on whole splits, computed by NumPy in float64 from the outputs of one forward pass."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from regexp.datasets.base import Data, Split
from regexp.experiment import Experiment
from regexp.losses import loss_for
from regexp.metrics import measure

PARTS = ("train", "validation", "test")
TRAINING_PASSES = (
    3  # a training step costs about three forward passes: the pass itself and a backward pass of twice that
)


def rows_of(split: Split) -> np.ndarray:
    """Return the rows of all parts of a split, in the order of PARTS, as `metrics_by_part` takes their outputs."""
    return np.concatenate([split.train, split.validation, split.test]).astype(np.int32)


def part_slices(split: Split) -> Iterator[tuple[str, slice]]:
    """Yield the name of each part that is not empty and its place in `rows_of`."""
    begin = 0
    for part in PARTS:
        end = begin + len(getattr(split, part))
        if end > begin:
            yield part, slice(begin, end)
        begin = end


def metrics_by_part(
    experiment: Experiment, data: Data, split: Split, outputs: np.ndarray, mean: np.ndarray, scale: np.ndarray
) -> dict[str, float]:
    """Return {"train/accuracy": value, ...} of the parts that are not empty.

    outputs: (n, K) logits, or (n, outputs) of the standardized targets, of `rows_of(split)`
    mean, scale: (outputs,) by which the targets were standardized
    """
    rows = rows_of(split)
    return {
        f"{part}/{name}": value
        for part, place in part_slices(split)
        for name, value in metrics_of_rows(experiment, data, rows[place], outputs[place], mean, scale).items()
    }


@np.errstate(over="ignore", invalid="ignore")  # the outputs of a diverged model may be infinite
def metrics_of_rows(
    experiment: Experiment, data: Data, rows: np.ndarray, outputs: np.ndarray, mean: np.ndarray, scale: np.ndarray
) -> dict[str, float]:
    """Return the metrics of some rows of the data; the arguments are those of `metrics_by_part`."""
    loss = experiment.training.loss or loss_for(data.task)
    outputs, mean, scale = (np.asarray(array, np.float64) for array in (outputs, mean, scale))
    metrics = measure(data.task, loss, outputs, data.targets[rows], mean, scale, experiment.evaluation.ece_bins)
    return {name: float(value) for name, value in metrics.items()}


def evaluation_share(experiment: Experiment, train: int, validation: int) -> float:
    """Return the share of evaluation in the work of training, in forward passes over examples.

    train, validation: the sizes of these parts of the split
    """
    evaluation = experiment.evaluation
    rows = min(train, evaluation.train_limit) + min(validation, evaluation.validation_limit or validation)
    passes = rows / evaluation.every
    return passes / (passes + TRAINING_PASSES * train)
