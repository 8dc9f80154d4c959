"""Stochastic gradient descent with Nesterov's momentum."""

from __future__ import annotations

from regexp.core.component import NonNegative, Rate, component
from regexp.core.lazy import jax, optax
from regexp.core.shapes import Scalar, Tree
from regexp.optimizers.base import Optimizer
from regexp.optimizers.velocity import accumulated_rate


@component
class Nesterov(Optimizer):
    """v <- b v + eps_k g, w <- w - (b v + eps_k g), the gradient taken at the look-ahead point.

    learning_rate: eps_0 >= 0
    momentum: b in [0, 1); 0 is plain sgd
    schedule: eps_k as a function of eps_0 and k

    Convention: the form of PyTorch and optax, in which w denotes the look-ahead point; the velocity includes the
    rate.
    Source: Nesterov 1983; Sutskever et al. 2013.
    """

    learning_rate: NonNegative = 0.01
    momentum: Rate = 0.9

    def transform(self, learning_rate: Scalar) -> optax.GradientTransformation:
        return optax.chain(
            optax.scale(-learning_rate),
            optax.trace(self.momentum, nesterov=True),
            accumulated_rate(learning_rate, self.momentum),
        )

    def step_sizes(self, learning_rate: Scalar, state: Tree, params: Tree) -> Tree:
        return jax.tree.map(lambda _: self.momentum * state[2] + learning_rate, params)
