"""What is measured in evaluation mode, from the outputs over a whole split; jittable and vmappable.

METRICS describes each; `measure` computes all of a task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from regexp.core.lazy import jax, jnp
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
    if task == "classification":
        return _classification(loss, outputs, targets, bins)
    return _regression(loss, outputs, targets, mean, scale)


def _classification(loss: str, logits: Array, labels: Array, bins: int) -> dict[str, Array]:
    classes = logits.shape[-1]
    one_hot = jax.nn.one_hot(labels, classes, dtype=logits.dtype)
    probabilities = jax.nn.softmax(logits)
    correct = (jnp.argmax(logits, -1) == labels).astype(logits.dtype)
    correct = jnp.where(jnp.all(jnp.isfinite(logits), -1), correct, jnp.nan)
    count = jnp.sum(one_hot, 0)
    recall = jnp.sum(one_hot * correct[:, None], 0) / jnp.maximum(count, 1)
    return {
        "loss": jnp.mean(LOSSES[loss](logits, one_hot)),
        "accuracy": jnp.mean(correct),
        "balanced_accuracy": jnp.sum(recall) / jnp.sum(count > 0),
        "nll": jnp.mean(LOSSES["cross_entropy"](logits, one_hot)),
        "brier": jnp.mean(jnp.sum(jnp.square(probabilities - one_hot), -1)),
        "ece": expected_calibration_error(jnp.max(probabilities, -1), correct, bins),
    }


def expected_calibration_error(confidence: Array, correct: Array, bins: int) -> Array:
    """sum_b n_b/n |mean correct_b - mean confidence_b| over equal-width bins (lower, upper] (Guo et al. 2017)."""
    index = jnp.clip(jnp.ceil(confidence * bins).astype(jnp.int32) - 1, 0, bins - 1)
    inside = jax.nn.one_hot(index, bins, dtype=confidence.dtype)
    gaps = jnp.sum(inside * (correct - confidence)[:, None], 0)
    return jnp.sum(jnp.abs(gaps)) / confidence.shape[0]


def _regression(loss: str, outputs: Array, targets: Array, mean: Array, scale: Array) -> dict[str, Array]:
    errors = jnp.square(outputs * scale + mean - targets)
    spread = jnp.mean(jnp.square(targets - jnp.mean(targets, 0)), 0)
    return {
        "loss": jnp.mean(LOSSES[loss](outputs, (targets - mean) / scale)),
        "rmse": jnp.sqrt(jnp.mean(errors)),
        "r2": jnp.mean(_determination(jnp.mean(errors, 0), spread)),
    }


def _determination(error: Array, spread: Array) -> Array:
    """1 - error/spread; where the targets are constant 1 for no error, else 0 (scikit-learn's convention)."""
    constant = spread == 0
    return jnp.where(constant, jnp.where(error == 0, 1.0, 0.0), 1 - error / jnp.where(constant, 1.0, spread))
