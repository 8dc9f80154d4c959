"""Max-norm: a bound on each unit's incoming weight vector."""

from __future__ import annotations

from typing import Any

from regexp.component import Positive, component
from regexp.lazy import jnp
from regexp.regularizers.base import Array, Params, Regularizer, kernels, unit_axes, with_kernels


@component
class MaxNorm(Regularizer):
    """w_j <- w_j min(1, c/||w_j||_2) after each update, w_j the weights into unit j (a filter: over all its inputs).

    limit: c > 0, a length in units of the weights; no finite c is off by itself: one above every norm never acts

    Convention: a projection onto the ball, w_j without the bias, in every layer, the output too. Keras' MaxNorm and
    torch.renorm divide by ||w_j|| + 1e-7 instead, so theirs end up to 1e-7/||w_j|| inside the ball.
    Source: Srebro, Shraibman 2005; Srivastava et al. 2014 (c = 3 or 4, with dropout).
    """

    neutral = {"limit": 1e9}
    limit: Positive = 3.0

    def project(self, params: Params, learning_rate: Array) -> Params:
        return with_kernels(params, {layer: self._within(w) for layer, w in kernels(params).items()})

    def _within(self, w: Array) -> Any:
        norms = jnp.sqrt(jnp.sum(jnp.square(w), unit_axes(w), keepdims=True))
        return w * (self.limit / jnp.maximum(norms, self.limit))
