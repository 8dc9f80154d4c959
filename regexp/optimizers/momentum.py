"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from regexp.core.component import NonNegative, Rate, component
from regexp.core.lazy import jax, optax
from regexp.core.shapes import Scalar, Tree
from regexp.optimizers.base import Optimizer
from regexp.optimizers.velocity import accumulated_rate


@component
class Momentum(Optimizer):
    """v <- b v + eps_k g, w <- w - v.

    learning_rate: eps_0 >= 0
    momentum: b in [0, 1); 0 is plain sgd
    schedule: eps_k as a function of eps_0 and k

    Convention: the velocity includes the rate; PyTorch and optax multiply the velocity by it, which differs while the
    rate changes.
    Source: Polyak 1964; Goodfellow et al., Deep Learning, 2016, 8.3.2.
    """

    learning_rate: NonNegative = 0.01
    momentum: Rate = 0.9

    def transform(self, learning_rate: Scalar) -> optax.GradientTransformation:
        return optax.chain(
            optax.scale(-learning_rate),
            optax.trace(self.momentum),
            accumulated_rate(learning_rate, self.momentum),
        )

    def step_sizes(self, learning_rate: Scalar, state: Tree, params: Tree) -> Tree:
        return jax.tree.map(lambda _: state[2], params)
