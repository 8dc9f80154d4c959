"""Evaluation metrics from the outputs over a complete split.

METRICS describes the metrics; `measure` computes all metrics of a task. On JAX arrays it can be jitted and vmapped, as
compiled training does; on NumPy arrays NumPy computes the metrics, in the precision of the outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from regexp.core.lazy import jax, jnp, special
from regexp.core.shapes import AnyArray, Float, Int, Num, Scalar
from regexp.losses import LOSSES


@dataclass(frozen=True)
class Metric:
    """A metric's name, task, direction, definition and bounds (smallest and greatest possible value)."""

    name: str
    task: str
    smaller_is_better: bool
    definition: str
    bounds: tuple[float, float] = (0.0, float("inf"))


METRICS = (
    Metric("loss", "both", True, "the data loss on hard labels (or scaled targets), mean over examples"),
    Metric("accuracy", "classification", False, "fraction of examples whose largest logit is the label's",
           (0.0, 1.0)),
    Metric("balanced_accuracy", "classification", False, "mean recall over the classes that occur",
           (0.0, 1.0)),
    Metric("nll", "classification", True, "negative log likelihood of the label, in nats"),
    Metric("brier", "classification", True, "sum over classes of (p - one-hot)^2, mean over examples, in [0, 2]",
           (0.0, 2.0)),
    Metric("ece", "classification", True,
           "expected calibration error: |accuracy - confidence| over equal-width bins (lower, upper], weighted",
           (0.0, 1.0)),
    Metric("rmse", "regression", True, "root of the mean squared error, in the target's units"),
    Metric("r2", "regression", False, "1 - squared error over variance, mean over target columns; "
           "for a constant target 1 if there is no error, else 0",
           (float("-inf"), 1.0)),
)  # fmt: skip


def smaller_is_better(name: str) -> bool:
    """Return the direction of a metric such as `validation/accuracy` or `accuracy`; True for unknown names."""
    short = name.rpartition("/")[2]
    return next((m.smaller_is_better for m in METRICS if m.name == short), True)


def bounds(name: str) -> tuple[float, float]:
    """Return the bounds of a metric such as `test/accuracy` or `accuracy`; unknown names are unbounded."""
    short = name.rpartition("/")[2]
    return next((m.bounds for m in METRICS if m.name == short), (float("-inf"), float("inf")))


def names(task: str) -> list[str]:
    """Return the names of the metrics of a task."""
    return [m.name for m in METRICS if m.task in (task, "both")]


def measure(
    task: str,
    loss: str,
    outputs: Float[AnyArray, "n outputs"],
    targets: Num[AnyArray, " n *outputs"],
    mean: Scalar | Float[AnyArray, " columns"],
    scale: Scalar | Float[AnyArray, " columns"],
    bins: int,
) -> dict[str, Float[AnyArray, ""]]:
    """Return all metrics of a task over one split.

    outputs: logits for classification, predictions of the standardised targets for regression
    targets: (n,) class numbers, or (n, outputs) targets in their original units
    mean, scale: of the standardisation of the targets; unused for classification
    bins: number of bins of the expected calibration error
    """
    xp = np if isinstance(outputs, np.ndarray) else jnp
    if task == "classification":
        return _classification(xp, loss, outputs, targets, bins)
    return _regression(xp, loss, outputs, targets, mean, scale)


def _classification(
    xp: ModuleType, loss: str, logits: Float[AnyArray, "n classes"], labels: Int[AnyArray, " n"], bins: int
) -> dict[str, Float[AnyArray, ""]]:
    classes = logits.shape[-1]
    one_hot = (labels[:, None] == xp.arange(classes)).astype(logits.dtype)
    probabilities = special.softmax(logits, axis=-1) if xp is np else jax.nn.softmax(logits)
    correct = (xp.argmax(logits, -1) == labels).astype(logits.dtype)
    # The argmax of NaN is a class: a diverged model would otherwise have some accuracy.
    correct = xp.where(xp.all(xp.isfinite(logits), -1), correct, xp.nan)
    count = xp.sum(one_hot, 0)
    recall = xp.sum(one_hot * correct[:, None], 0) / xp.maximum(count, 1)
    return {
        "loss": xp.mean(LOSSES[loss](logits, one_hot)),
        "accuracy": xp.mean(correct),
        "balanced_accuracy": xp.sum(recall) / xp.sum(count > 0),
        "nll": xp.mean(LOSSES["cross_entropy"](logits, one_hot)),
        "brier": xp.mean(xp.sum(xp.square(probabilities - one_hot), -1)),
        "ece": expected_calibration_error(xp.max(probabilities, -1), correct, bins),
    }


def expected_calibration_error(
    confidence: Float[AnyArray, " n"], correct: Float[AnyArray, " n"], bins: int
) -> Float[AnyArray, ""]:
    """Return sum_b n_b/n |mean correct_b - mean confidence_b| over equal-width bins (lower, upper].

    Source: Guo, Pleiss, Sun, Weinberger 2017.
    """
    xp = np if isinstance(confidence, np.ndarray) else jnp
    # NumPy converts no NaN to an integer. Any bin will do for the confidence of a diverged model: it makes the sum NaN.
    index = xp.clip(xp.nan_to_num(xp.ceil(confidence * bins)).astype(xp.int32) - 1, 0, bins - 1)
    inside = (index[:, None] == xp.arange(bins)).astype(confidence.dtype)
    gaps = xp.sum(inside * (correct - confidence)[:, None], 0)
    return xp.sum(xp.abs(gaps)) / confidence.shape[0]


def _regression(
    xp: ModuleType,
    loss: str,
    outputs: Float[AnyArray, "n outputs"],
    targets: Float[AnyArray, "n outputs"],
    mean: Scalar | Float[AnyArray, " outputs"],
    scale: Scalar | Float[AnyArray, " outputs"],
) -> dict[str, Float[AnyArray, ""]]:
    errors = xp.square(outputs * scale + mean - targets)
    variance = xp.mean(xp.square(targets - xp.mean(targets, 0)), 0)
    return {
        "loss": xp.mean(LOSSES[loss](outputs, (targets - mean) / scale)),
        "rmse": xp.sqrt(xp.mean(errors)),
        "r2": xp.mean(_determination(xp, xp.mean(errors, 0), variance)),
    }


def _determination(
    xp: ModuleType, error: Float[AnyArray, " outputs"], variance: Float[AnyArray, " outputs"]
) -> Float[AnyArray, " outputs"]:
    """Return 1 - error/variance; for constant targets 1 if the error is 0, else 0 (scikit-learn's convention)."""
    constant = variance == 0
    return xp.where(constant, xp.where(error == 0, 1.0, 0.0), 1 - error / xp.where(constant, 1.0, variance))
