"""Gradient descent on the complete training split."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jax, optax
from regexp.core.shapes import Scalar, Tree
from regexp.optimizers.base import Optimizer


@component
class GD(Optimizer):
    """w <- w - eps_k g, g the gradient over the complete training split: one update per epoch for any batch size.

    learning_rate: eps_0 >= 0
    schedule: eps_k as a function of eps_0 and k

    Source: Cauchy 1847.
    """

    full_batch = True
    learning_rate: NonNegative = 0.1

    def transform(self, learning_rate: Scalar) -> optax.GradientTransformation:
        return optax.scale(-learning_rate)

    def step_sizes(self, learning_rate: Scalar, state: Tree, params: Tree) -> Tree:
        return jax.tree.map(lambda _: learning_rate, params)
