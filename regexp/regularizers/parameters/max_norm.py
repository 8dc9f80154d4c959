"""Max-norm: bound the length of each unit's incoming weight vector."""

from __future__ import annotations

from typing import Any

from regexp.core.component import Positive, component
from regexp.core.lazy import jnp
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Float, Scalar
from regexp.regularizers.base import Params, Regularizer, kernels, unit_axes, with_kernels
from regexp.regularizers.parameters.proximal import step_size_conflicts

NEWTON_STEPS = 2
TINY = 1e-30


@component
class MaxNorm(Regularizer):
    """||w_j||_2 <= c after each update, w_j the weights into unit j (for a filter, over all its inputs).

    Under an optimizer with one step size for all weights, w_j <- w_j min(1, c/||w_j||). Where each weight has its own
    step size P_i (adagrad, rmsprop, adam), w_i <- w_i/(1 + lambda P_i) with the least lambda >= 0 that satisfies the
    bound: the projection in the metric of P^-1, whose fixed point is the minimum of the loss in the ball.

    limit: c > 0, a length in units of the weights; no finite c is off, but one above every norm has no effect

    Convention: w_j excludes the bias and covers every layer, the output included. Keras' MaxNorm and torch.renorm
    rescale w_j under every optimizer and divide by ||w_j|| + 1e-7, so theirs end up to 1e-7/||w_j|| inside the ball.
    Source: Srebro, Shraibman 2005; Srivastava et al. 2014 (c = 3 or 4, with dropout); with P: Yun, Lozano, Yang 2021.
    """

    neutral = {"limit": 1e9}
    limit: Positive = 3.0

    def conflicts(self, experiment: Any) -> list[Problem]:
        return step_size_conflicts("max_norm", experiment)

    def project(self, params: Params, step_sizes: Params) -> Params:
        sizes = {layer: step_sizes[layer]["kernel"] for layer in kernels(params)}
        new = {layer: self._rescaled(self._shrunk(w, sizes[layer])) for layer, w in kernels(params).items()}
        return with_kernels(params, new)

    def _rescaled(self, w: Float[Array, "*inputs units"]) -> Float[Array, "*inputs units"]:
        return w * (self.limit / jnp.maximum(_norms(w), self.limit))

    def _shrunk(
        self, w: Float[Array, "*inputs units"], sizes: Scalar | Float[Array, " ..."]
    ) -> Float[Array, "*inputs units"]:
        """Return w/(1 + lambda P) with an approximate lambda, whose small error the caller removes by rescaling.

        Newton's method on 1/||w(lambda)|| = 1/c from lambda = 0 rises to the root and stays below it. An update leaves
        the ball by a small fraction s of c, and two Newton steps leave an error of order s^4.
        """
        if jnp.ndim(sizes) == 0:
            return w  # with equal step sizes, rescaling is the projection
        sizes = sizes / jnp.max(sizes, unit_axes(w), keepdims=True)
        multiplier = jnp.zeros_like(_norms(w))
        for _ in range(NEWTON_STEPS):
            shrunk = w / (1 + multiplier * sizes)
            norms = jnp.maximum(_norms(shrunk), self.limit)  # inside the ball the multiplier is unchanged
            slope = jnp.sum(jnp.square(shrunk) * sizes / (1 + multiplier * sizes), unit_axes(w), keepdims=True)
            multiplier += (norms / self.limit - 1) * jnp.square(norms) / jnp.maximum(slope, TINY)
        return w / (1 + multiplier * sizes)


def _norms(w: Float[Array, "*inputs units"]) -> Float[Array, " ..."]:
    """Return the length of each unit's incoming weights, with w's rank."""
    return jnp.sqrt(jnp.sum(jnp.square(w), unit_axes(w), keepdims=True))
