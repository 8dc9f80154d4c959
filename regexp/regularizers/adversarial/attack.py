"""Adversarial inputs: steps along the sign of the gradient, within an e-ball and the range of the data."""

from __future__ import annotations

from collections.abc import Callable

from regexp.core.lazy import jax, jnp, lax
from regexp.core.shapes import Array, Float, Scalar


def project(
    x: Float[Array, "*inputs"],
    centre: Float[Array, "*inputs"],
    epsilon: Scalar,
    low: Float[Array, "*columns"],
    high: Float[Array, "*columns"],
) -> Float[Array, "*inputs"]:
    """Return the nearest point with |x - centre| <= epsilon and low <= x <= high in every coordinate.

    A centre outside the range extends the range to include it: clipping to the range alone could leave the ball.
    """
    least = jnp.maximum(centre - epsilon, jnp.minimum(low, centre))
    most = jnp.minimum(centre + epsilon, jnp.maximum(high, centre))
    return jnp.clip(x, least, most)


def ascend(
    loss: Callable[[Array], Array],
    centre: Float[Array, "*inputs"],
    start: Float[Array, "*inputs"],
    low: Float[Array, "*columns"],
    high: Float[Array, "*columns"],
    epsilon: Scalar,
    steps: int,
) -> Float[Array, "*inputs"]:
    """Return inputs that increase the loss, from `steps` steps of projected sign-gradient ascent.

    x <- project(x + a sign(grad loss(x))); a = epsilon for one step (FGSM), else 2.5 epsilon/steps.

    loss: of the complete batch; no gradient flows through the result
    Source: Goodfellow, Shlens, Szegedy 2015; Madry et al. 2018 (PGD, the factor 2.5).
    """
    size = epsilon if steps == 1 else 2.5 * epsilon / steps

    def step(_: Scalar, x: Array) -> Array:
        return project(x + size * jnp.sign(jax.grad(loss)(x)), centre, epsilon, low, high)

    return lax.stop_gradient(step(jnp.zeros(()), start) if steps == 1 else lax.fori_loop(0, steps, step, start))
