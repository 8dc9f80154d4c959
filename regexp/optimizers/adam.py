"""Adam: scale the mean gradient by the root of its mean square."""

from __future__ import annotations

from typing import Literal

from regexp.core.component import Positive, Rate, component
from regexp.core.lazy import jax, jnp, optax
from regexp.core.shapes import Scalar, Tree
from regexp.optimizers.base import Optimizer


@component
class Adam(Optimizer):
    """m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, w <- w - eps_k m^ / (sqrt(v^) + e).

    m^ = m/(1 - b1^k), v^ = v/(1 - b2^k).

    learning_rate: eps_0 >= 0
    beta1: b1 in [0, 1), decay of the gradient's mean; 0 uses only the current gradient
    beta2: b2 in [0, 1), decay of its mean square; 0 divides by the current gradient
    epsilon: e > 0; a large e gives momentum with the rate eps_k/e (as in optax)
    style: optax (default, as above) or lecture: w <- w - eps_k m / sqrt(v + e), without bias correction
    schedule: eps_k as a function of eps_0 and k

    Source: Kingma, Ba 2015.
    """

    lecture = {"style": "lecture"}
    beta1: Rate = 0.9
    beta2: Rate = 0.999
    epsilon: Positive = 1e-8
    style: Literal["optax", "lecture"] = "optax"

    def transform(self, learning_rate: Scalar) -> optax.GradientTransformation:
        if self.style == "lecture":
            direction = _uncorrected(self.beta1, self.beta2, self.epsilon)
        else:
            direction = optax.scale_by_adam(self.beta1, self.beta2, self.epsilon)
        return optax.chain(direction, optax.scale(-learning_rate))

    def step_sizes(self, learning_rate: Scalar, state: Tree, params: Tree) -> Tree:
        if self.style == "lecture":
            _, second = state[0]
            return jax.tree.map(lambda v: learning_rate / jnp.sqrt(v + self.epsilon), second)
        return adam_step_sizes(learning_rate, state[0], self.beta2, self.epsilon)


def _uncorrected(beta1: Scalar, beta2: Scalar, epsilon: Scalar) -> optax.GradientTransformation:
    """Return Adam's direction m / sqrt(v + e) without bias correction."""

    def init(params: Tree) -> tuple[Tree, Tree]:
        return optax.tree.zeros_like(params), optax.tree.zeros_like(params)

    def update(grads: Tree, state: tuple[Tree, Tree], params: Tree = None) -> tuple[Tree, tuple[Tree, Tree]]:
        first = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, state[0], grads)
        second = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, state[1], grads)
        return jax.tree.map(lambda m, v: m / jnp.sqrt(v + epsilon), first, second), (first, second)

    return optax.GradientTransformation(init, update)


def adam_step_sizes(learning_rate: Scalar, state: optax.ScaleByAdamState, beta2: Scalar, epsilon: Scalar) -> Tree:
    """Return eps_k / (sqrt(v^) + e) of each coordinate."""
    correction = 1 - beta2**state.count
    return jax.tree.map(lambda v: learning_rate / (jnp.sqrt(v / correction) + epsilon), state.nu)
