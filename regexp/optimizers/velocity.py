"""Functions shared by the optimizers with a velocity."""

from __future__ import annotations

from regexp.core.lazy import jnp, optax
from regexp.core.shapes import Array, Float, Scalar, Tree


def accumulated_rate(learning_rate: Scalar, momentum: Scalar) -> optax.GradientTransformation:
    """Pass updates through and track s <- b s + eps_k: a constant gradient g leads to the velocity s g.

    The velocity includes the rate, so while the rate changes the velocity of g differs from eps_k g/(1 - b).
    """

    def init(params: Tree) -> Float[Array, ""]:
        return jnp.zeros(())

    def update(updates: Tree, state: Float[Array, ""], params: Tree = None) -> tuple[Tree, Float[Array, ""]]:
        return updates, momentum * state + learning_rate

    return optax.GradientTransformation(init, update)
