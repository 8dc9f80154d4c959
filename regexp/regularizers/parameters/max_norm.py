"""Max-norm: a bound on each unit's incoming weight vector."""

from __future__ import annotations

from typing import Any

from regexp.core.component import Positive, component
from regexp.core.lazy import jnp
from regexp.regularizers.base import Array, Params, Regularizer, kernels, unit_axes, with_kernels
from regexp.regularizers.parameters.proximal import step_size_conflicts

NEWTON_STEPS = 2
TINY = 1e-30


@component
class MaxNorm(Regularizer):
    """||w_j||_2 <= c after each update, w_j the weights into unit j (a filter: over all its inputs).

    Under an optimizer with one step size for all weights, w_j <- w_j min(1, c/||w_j||). Where each weight has its own
    step P_i (adagrad, rmsprop, adam), w_i <- w_i/(1 + lambda P_i) with the least lambda >= 0 that fits: the projection
    in the metric of P^-1, whose fixed point is the minimum of the loss in the ball.

    limit: c > 0, a length in units of the weights; no finite c is off by itself: one above every norm never acts

    Convention: w_j without the bias, in every layer, the output too. Keras' MaxNorm and torch.renorm rescale w_j under
    every optimizer, and divide by ||w_j|| + 1e-7, so theirs end up to 1e-7/||w_j|| inside the ball.
    Source: Srebro, Shraibman 2005; Srivastava et al. 2014 (c = 3 or 4, with dropout); with P: Yun, Lozano, Yang 2021.
    """

    neutral = {"limit": 1e9}
    limit: Positive = 3.0

    def conflicts(self, experiment: Any) -> list[str]:
        return step_size_conflicts("max_norm", experiment)

    def project(self, params: Params, step_sizes: Params) -> Params:
        sizes = {layer: step_sizes[layer]["kernel"] for layer in kernels(params)}
        new = {layer: self._rescaled(self._shrunk(w, sizes[layer])) for layer, w in kernels(params).items()}
        return with_kernels(params, new)

    def _rescaled(self, w: Array) -> Array:
        return w * (self.limit / jnp.maximum(_norms(w), self.limit))

    def _shrunk(self, w: Array, sizes: Array) -> Array:
        """w/(1 + lambda P), near the ball; rescaling does the rest.

        Newton's method on 1/||w(lambda)|| = 1/c from lambda = 0 rises to the root and stays below it. One update leaves
        the ball by a small share s of c, and two steps leave an error of the order of s^4.
        """
        if jnp.ndim(sizes) == 0:
            return w  # with equal step sizes rescaling is the projection
        sizes = sizes / jnp.max(sizes, unit_axes(w), keepdims=True)
        multiplier = jnp.zeros_like(_norms(w))
        for _ in range(NEWTON_STEPS):
            shrunk = w / (1 + multiplier * sizes)
            norms = jnp.maximum(_norms(shrunk), self.limit)  # inside the ball the multiplier stays as it is
            slope = jnp.sum(jnp.square(shrunk) * sizes / (1 + multiplier * sizes), unit_axes(w), keepdims=True)
            multiplier += (norms / self.limit - 1) * jnp.square(norms) / jnp.maximum(slope, TINY)
        return w / (1 + multiplier * sizes)


def _norms(w: Array) -> Array:
    """The length of each unit's incoming weights, of w's rank."""
    return jnp.sqrt(jnp.sum(jnp.square(w), unit_axes(w), keepdims=True))
