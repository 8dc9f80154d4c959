"""The data loss J, per example; training takes its mean over the batch. On NumPy arrays NumPy computes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from regexp.core.lazy import jax, jnp, special

Array = Any


def softmax_cross_entropy(logits: Array, targets: Array) -> Array:
    """-sum_k t_k log softmax(z)_k: logits (B, K), targets (B, K) probabilities -> (B,) in nats."""
    if isinstance(logits, np.ndarray):
        return -np.sum(targets * special.log_softmax(logits, axis=-1), axis=-1)
    return -jnp.sum(targets * jax.nn.log_softmax(logits), axis=-1)


def squared_error(outputs: Array, targets: Array) -> Array:
    """mean_j (y_j - f_j)^2: outputs and targets (B, outputs) -> (B,); its batch mean is PyTorch's MSELoss, no half."""
    xp = np if isinstance(outputs, np.ndarray) else jnp
    return xp.mean(xp.square(outputs - targets), axis=-1)


LOSSES: dict[str, Callable[[Array, Array], Array]] = {
    "cross_entropy": softmax_cross_entropy,
    "squared_error": squared_error,
}


def loss_for(task: str) -> str:
    """The default loss of a task: cross entropy for classification, squared error for regression."""
    return {"classification": "cross_entropy", "regression": "squared_error"}[task]
