"""What the optimizers with a velocity share."""

from __future__ import annotations

from regexp.core.lazy import jnp, optax
from regexp.optimizers.base import Array


def accumulated_rate(learning_rate: Array, momentum: Array) -> optax.GradientTransformation:
    """Pass gradients on, and keep s <- b s + eps_k: a constant gradient g has given the velocity s g.

    The rate is inside the velocity, so while it changes the velocity of g is not eps_k g/(1 - b).
    """

    def init(params: Array) -> Array:
        return jnp.zeros(())

    def update(updates: Array, state: Array, params: Array = None) -> tuple[Array, Array]:
        return updates, momentum * state + learning_rate

    return optax.GradientTransformation(init, update)
