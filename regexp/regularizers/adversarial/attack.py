"""Worst inputs near given ones: steps along the sign of the gradient, within an e-ball and the data's range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from regexp.core.lazy import jax, jnp, lax

Array = Any


def project(x: Array, centre: Array, epsilon: Array, low: Array, high: Array) -> Array:
    """The nearest point with |x - centre| <= epsilon and low <= x <= high in every coordinate.

    A centre beyond the range widens it to itself: clipping to the range alone would leave the ball.
    """
    least = jnp.maximum(centre - epsilon, jnp.minimum(low, centre))
    most = jnp.minimum(centre + epsilon, jnp.maximum(high, centre))
    return jnp.clip(x, least, most)


def ascend(
    loss: Callable[[Array], Array], centre: Array, start: Array, low: Array, high: Array, epsilon: Array, steps: int
) -> Array:
    """x <- project(x + a sign(grad loss(x))), `steps` times; a = epsilon for one step (FGSM), else 2.5 epsilon/steps.

    loss: of the whole batch; no gradient flows through the result
    Source: Goodfellow, Shlens, Szegedy 2015; Madry et al. 2018 (PGD, the factor 2.5).
    """
    size = epsilon if steps == 1 else 2.5 * epsilon / steps

    def step(_: Array, x: Array) -> Array:
        return project(x + size * jnp.sign(jax.grad(loss)(x)), centre, epsilon, low, high)

    return lax.stop_gradient(step(jnp.zeros(()), start) if steps == 1 else lax.fori_loop(0, steps, step, start))
