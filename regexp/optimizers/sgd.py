"""Stochastic gradient descent."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jax, optax
from regexp.core.shapes import Scalar, Tree
from regexp.optimizers.base import Optimizer


@component
class SGD(Optimizer):
    """w <- w - eps_k g, g the mean gradient of a minibatch of training.batch_size = 1 .. n examples.

    learning_rate: eps_0 >= 0
    schedule: eps_k as a function of eps_0 and k

    Source: Robbins, Monro 1951.
    """

    learning_rate: NonNegative = 0.1

    def transform(self, learning_rate: Scalar) -> optax.GradientTransformation:
        return optax.scale(-learning_rate)

    def step_sizes(self, learning_rate: Scalar, state: Tree, params: Tree) -> Tree:
        return jax.tree.map(lambda _: learning_rate, params)
