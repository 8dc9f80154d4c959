"""The data loss J, per example; training takes its mean over the batch. On NumPy arrays NumPy computes it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from regexp.core.lazy import jax, jnp, special
from regexp.core.shapes import AnyArray, Float


def softmax_cross_entropy(
    logits: Float[AnyArray, "batch classes"], targets: Float[AnyArray, "batch classes"]
) -> Float[AnyArray, " batch"]:
    """Return -sum_k t_k log softmax(z)_k in nats, of logits z and target probabilities t."""
    if isinstance(logits, np.ndarray):
        return -np.sum(targets * special.log_softmax(logits, axis=-1), axis=-1)
    return -jnp.sum(targets * jax.nn.log_softmax(logits), axis=-1)


def squared_error(
    outputs: Float[AnyArray, "batch outputs"], targets: Float[AnyArray, "batch outputs"]
) -> Float[AnyArray, " batch"]:
    """Return mean_j (y_j - f_j)^2, without a factor 1/2; its mean over the batch is PyTorch's MSELoss."""
    xp = np if isinstance(outputs, np.ndarray) else jnp
    return xp.mean(xp.square(outputs - targets), axis=-1)


LOSSES: dict[str, Callable[[AnyArray, AnyArray], AnyArray]] = {
    "cross_entropy": softmax_cross_entropy,
    "squared_error": squared_error,
}


def loss_for(task: str) -> str:
    """Return the default loss of a task: cross entropy for classification, squared error for regression."""
    return {"classification": "cross_entropy", "regression": "squared_error"}[task]
