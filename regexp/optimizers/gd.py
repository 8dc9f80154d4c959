"""Gradient descent on the whole training split."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jax, optax
from regexp.optimizers.base import Array, Optimizer


@component
class GD(Optimizer):
    """w <- w - eps_k g, g the gradient over the whole training split: one update an epoch, whatever the batch size.

    learning_rate: eps_0 >= 0
    schedule: how eps_k follows from eps_0 and k

    Source: Cauchy 1847.
    """

    full_batch = True
    learning_rate: NonNegative = 0.1

    def transform(self, learning_rate: Array) -> optax.GradientTransformation:
        return optax.scale(-learning_rate)

    def step_sizes(self, learning_rate: Array, state: Array, params: Array) -> Array:
        return jax.tree.map(lambda _: learning_rate, params)
