"""L1: the lasso penalty."""

from __future__ import annotations

from typing import Any

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jnp
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Float
from regexp.regularizers.base import Params, Regularizer, kernels, matching, strengths, with_kernels
from regexp.regularizers.parameters.proximal import soft_threshold, step_size_conflicts


@component
class L1(Regularizer):
    """J + a * sum |w| over all kernels; its subgradient is a sign(w), sign(0) = 0.

    strength: a >= 0; 0 is off
    layers: strengths by layer name pattern, e.g. {"hidden_*": 1e-4, output: 0}; the longest match applies,
        other layers use a
    proximal: true = no gradient; soft threshold after each update: w_i <- sign(w_i) max(|w_i| - P_i a, 0)

    Convention: the subgradient never gives exact zeros; proximal does. P_i is the optimizer's step size for weight i
    (eps of sgd, eps/(1 - b) of momentum, eps/(sqrt(v_i) + e) of adam), so that training converges to the minimum
    of J + a sum |w| under every optimizer except lion, whose steps have no such size. Scikit-learn's Lasso has the
    data loss 1/(2n) ||y - Xw||^2, half of the mean squared error here, so its alpha is a/2.
    Source: Tibshirani 1996; proximal: Parikh, Boyd, Proximal Algorithms, 2014; with P: Yun, Lozano, Yang 2021.
    """

    neutral = {"strength": 0.0}
    strength: NonNegative = 1e-5
    layers: dict[str, NonNegative] | None = None
    proximal: bool = False

    def conflicts(self, experiment: Any) -> list[Problem]:
        return step_size_conflicts("l1.proximal", experiment) if self.proximal else []

    def penalty(self, params: Params) -> Float[Array, ""]:
        return sum(
            (a * jnp.sum(jnp.abs(w)) for a, w in strengths(self.strength, self.layers, params)),
            jnp.zeros(()),
        )

    def differentiable(self) -> bool:
        return not self.proximal

    def project(self, params: Params, step_sizes: Params) -> Params:
        if not self.proximal:
            return params
        new = {
            layer: soft_threshold(w, step_sizes[layer]["kernel"] * matching(self.layers, layer, self.strength))
            for layer, w in kernels(params).items()
        }
        return with_kernels(params, new)
