"""Elastic net: the sum of the lasso and the ridge penalty."""

from __future__ import annotations

from typing import Any

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jnp
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Float
from regexp.regularizers.base import Params, Regularizer, kernels, matching, strengths, with_kernels
from regexp.regularizers.parameters.proximal import soft_threshold, step_size_conflicts


@component
class ElasticNet(Regularizer):
    """J + a1 * sum |w| + a2/2 * sum w^2 over all kernels; its subgradient is a1 sign(w) + a2 w, sign(0) = 0.

    l1: a1 >= 0; 0 is off (ridge alone)
    l2: a2 >= 0; 0 is off (lasso alone)
    layers: factors on l1 and l2 by layer name pattern, e.g. {output: 0}; the longest match applies, other layers use 1
    proximal: true = no gradient; after each update w_i <- sign(w_i) max(|w_i| - P_i a1, 0) / (1 + P_i a2)

    Convention: the subgradient never gives exact zeros; proximal does. P_i is the optimizer's step size for weight i,
    as in l1, so that training converges to the minimum of the objective. Scikit-learn's ElasticNet has the data loss
    1/(2n) ||y - Xw||^2, half of the mean squared error here: alpha = (a1 + a2)/2, l1_ratio = a1/(a1 + a2).
    Source: Zou, Hastie 2005; proximal: Parikh, Boyd, Proximal Algorithms, 2014, 6.5.3.
    """

    neutral = {"l1": 0.0, "l2": 0.0}
    l1: NonNegative = 1e-5
    l2: NonNegative = 1e-4
    layers: dict[str, NonNegative] | None = None
    proximal: bool = False

    def conflicts(self, experiment: Any) -> list[Problem]:
        doubled = [m.name for m in experiment.regularizers if m.name in ("l1", "l2", "weight_decay")]
        sizes = step_size_conflicts("elastic_net.proximal", experiment) if self.proximal else []
        return sizes + [
            Problem(f"elastic_net and {name} both shrink the weights; you probably want only one", "warning")
            for name in doubled
        ]

    def penalty(self, params: Params) -> Float[Array, ""]:
        return sum(
            (
                factor * (self.l1 * jnp.sum(jnp.abs(w)) + 0.5 * self.l2 * jnp.sum(jnp.square(w)))
                for factor, w in strengths(1.0, self.layers, params)
            ),
            jnp.zeros(()),
        )

    def differentiable(self) -> bool:
        return not self.proximal

    def project(self, params: Params, step_sizes: Params) -> Params:
        if not self.proximal:
            return params
        new = {}
        for layer, w in kernels(params).items():
            size = step_sizes[layer]["kernel"] * matching(self.layers, layer, 1.0)
            new[layer] = soft_threshold(w, size * self.l1) / (1 + size * self.l2)
        return with_kernels(params, new)
