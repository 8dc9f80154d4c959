"""What is measured in evaluation mode, from the outputs over a whole split.

METRICS describes each; `measure` computes all of a task: on JAX arrays inside compiled training, on NumPy arrays, in
their precision, for the final metrics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from regexp.core.lazy import jax, jnp, special
from regexp.losses import LOSSES

Array = Any


@dataclass(frozen=True)
class Metric:
    """A metric's name, task, direction, definition and the least and greatest value that it can have."""

    name: str
    task: str
    smaller_is_better: bool
    definition: str
    bounds: tuple[float, float] = (0.0, float("inf"))


METRICS = (
    Metric("loss", "both", True, "the data loss on hard labels (or scaled targets), mean over examples"),
    Metric("accuracy", "classification", False, "share of examples whose largest logit is the label's",
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
           "of a constant target 1, or 0 with errors",
           (float("-inf"), 1.0)),
)  # fmt: skip


def smaller_is_better(name: str) -> bool:
    """Of `validation/accuracy` or `accuracy`; losses and unknown names: True."""
    short = name.rpartition("/")[2]
    return next((m.smaller_is_better for m in METRICS if m.name == short), True)


def bounds(name: str) -> tuple[float, float]:
    """The least and greatest value of `test/accuracy` or `accuracy`; unknown names are unbounded."""
    short = name.rpartition("/")[2]
    return next((m.bounds for m in METRICS if m.name == short), (float("-inf"), float("inf")))


def names(task: str) -> list[str]:
    """The metrics measured for a task."""
    return [m.name for m in METRICS if m.task in (task, "both")]


def measure(
    task: str, loss: str, outputs: Array, targets: Array, mean: Array, scale: Array, bins: int
) -> dict[str, Array]:
    """All metrics of a task over one split.

    outputs: (n, K) logits with targets (n,) class numbers, or (n, outputs) of the scaled targets with targets
    (n, outputs) as read; mean, scale: (outputs,) of the target's standardisation; bins: of the ECE.
    """
    xp = np if isinstance(outputs, np.ndarray) else jnp
    if task == "classification":
        return _classification(xp, loss, outputs, targets, bins)
    return _regression(xp, loss, outputs, targets, mean, scale)


def _classification(xp: Any, loss: str, logits: Array, labels: Array, bins: int) -> dict[str, Array]:
    classes = logits.shape[-1]
    one_hot = (labels[:, None] == xp.arange(classes)).astype(logits.dtype)
    probabilities = special.softmax(logits, axis=-1) if xp is np else jax.nn.softmax(logits)
    correct = (xp.argmax(logits, -1) == labels).astype(logits.dtype)
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


def expected_calibration_error(confidence: Array, correct: Array, bins: int) -> Array:
    """sum_b n_b/n |mean correct_b - mean confidence_b| over equal-width bins (lower, upper] (Guo et al. 2017)."""
    xp = np if isinstance(confidence, np.ndarray) else jnp
    # The confidence of a diverged model is NaN: in bin 0, as in a conversion by XLA, it makes the sum NaN all the same.
    index = xp.clip(xp.nan_to_num(xp.ceil(confidence * bins)).astype(xp.int32) - 1, 0, bins - 1)
    inside = (index[:, None] == xp.arange(bins)).astype(confidence.dtype)
    gaps = xp.sum(inside * (correct - confidence)[:, None], 0)
    return xp.sum(xp.abs(gaps)) / confidence.shape[0]


def _regression(xp: Any, loss: str, outputs: Array, targets: Array, mean: Array, scale: Array) -> dict[str, Array]:
    errors = xp.square(outputs * scale + mean - targets)
    spread = xp.mean(xp.square(targets - xp.mean(targets, 0)), 0)
    return {
        "loss": xp.mean(LOSSES[loss](outputs, (targets - mean) / scale)),
        "rmse": xp.sqrt(xp.mean(errors)),
        "r2": xp.mean(_determination(xp, xp.mean(errors, 0), spread)),
    }


def _determination(xp: Any, error: Array, spread: Array) -> Array:
    """1 - error/spread; where the targets are constant 1 for no error, else 0 (scikit-learn's convention)."""
    constant = spread == 0
    return xp.where(constant, xp.where(error == 0, 1.0, 0.0), 1 - error / xp.where(constant, 1.0, spread))
