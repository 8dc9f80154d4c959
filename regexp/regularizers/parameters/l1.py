"""L1: the lasso penalty."""

from __future__ import annotations

from typing import Any

from regexp.component import NonNegative, component
from regexp.lazy import jnp
from regexp.regularizers.base import Params, Regularizer, kernels, strengths, with_kernels


@component
class L1(Regularizer):
    """J + a * sum |w| over all kernels; its subgradient is a sign(w), sign(0) = 0.

    strength: a >= 0; 0 is off
    layers: strengths by layer name pattern, e.g. {"hidden_*": 1e-4, output: 0}; the longest match counts, others get a
    proximal: true = no gradient; soft threshold after each update: w <- sign(w) max(|w| - eps a, 0)

    Convention: the subgradient never gives exact zeros; proximal does. Scikit-learn's Lasso has the data loss
    1/(2n) ||y - Xw||^2, half of the mean squared error here, so its alpha is a/2.
    Source: Tibshirani 1996; proximal: Parikh, Boyd, Proximal Algorithms, 2014.
    """

    neutral = {"strength": 0.0}
    strength: NonNegative = 1e-5
    layers: dict[str, NonNegative] | None = None
    proximal: bool = False

    def penalty(self, params: Params) -> Any:
        return sum(
            (a * jnp.sum(jnp.abs(w)) for a, w in strengths(self.strength, self.layers, params)),
            jnp.zeros(()),
        )

    def differentiable(self) -> bool:
        return not self.proximal

    def project(self, params: Params, learning_rate: Any) -> Params:
        if not self.proximal:
            return params
        new = {
            layer: jnp.sign(w) * jnp.maximum(jnp.abs(w) - learning_rate * a, 0)
            for (layer, w), (a, _) in zip(
                kernels(params).items(), strengths(self.strength, self.layers, params), strict=True
            )
        }
        return with_kernels(params, new)
