"""AdaGrad: scale each step by the root of the sum of squared gradients."""

from __future__ import annotations

from regexp.core.component import NonNegative, Positive, component
from regexp.core.lazy import jax, jnp, optax
from regexp.core.shapes import Scalar, Tree
from regexp.optimizers.base import Optimizer


@component
class AdaGrad(Optimizer):
    """r <- r + g^2, w <- w - eps_k g / sqrt(r + e).

    learning_rate: eps_0 >= 0
    epsilon: e > 0, inside the root (as in optax; PyTorch adds it to the root)
    schedule: eps_k as a function of eps_0 and k

    Source: Duchi, Hazan, Singer 2011.
    """

    learning_rate: NonNegative = 0.01
    epsilon: Positive = 1e-7

    def transform(self, learning_rate: Scalar) -> optax.GradientTransformation:
        return optax.chain(
            optax.scale_by_rss(initial_accumulator_value=0.0, eps=self.epsilon),
            optax.scale(-learning_rate),
        )

    def step_sizes(self, learning_rate: Scalar, state: Tree, params: Tree) -> Tree:
        squares = state[0].sum_of_squares
        return jax.tree.map(lambda r: learning_rate / jnp.sqrt(r + self.epsilon), squares)
