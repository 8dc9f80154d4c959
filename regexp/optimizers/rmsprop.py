"""RMSProp: scale each step by the root of the mean squared gradient."""

from __future__ import annotations

from regexp.core.component import Positive, Rate, component
from regexp.core.lazy import jax, jnp, optax
from regexp.core.shapes import Scalar, Tree
from regexp.optimizers.base import Optimizer


@component
class RMSProp(Optimizer):
    """r <- d r + (1 - d) g^2, w <- w - eps_k g / (sqrt(r) + e).

    learning_rate: eps_0 >= 0
    decay: d in [0, 1), decay of the mean square; 0 uses only the gradient's sign
    epsilon: e > 0, added to the root (as in PyTorch)
    schedule: eps_k as a function of eps_0 and k

    Source: Tieleman, Hinton, Lecture 6.5, 2012.
    """

    decay: Rate = 0.9
    epsilon: Positive = 1e-8

    def transform(self, learning_rate: Scalar) -> optax.GradientTransformation:
        return optax.chain(
            optax.scale_by_rms(self.decay, self.epsilon, eps_in_sqrt=False),
            optax.scale(-learning_rate),
        )

    def step_sizes(self, learning_rate: Scalar, state: Tree, params: Tree) -> Tree:
        return jax.tree.map(lambda r: learning_rate / (jnp.sqrt(r) + self.epsilon), state[0].nu)
