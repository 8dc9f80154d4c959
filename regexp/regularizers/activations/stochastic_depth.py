"""Stochastic depth: skip random residual branches in training."""

from __future__ import annotations

from typing import Any, Literal

from regexp.core.component import Rate, component
from regexp.core.lazy import jnp
from regexp.core.prng import drop_mask
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Float
from regexp.regularizers.base import Regularizer, Site, present


@component
class StochasticDepth(Regularizer):
    """h + m F(h)/p in training, h + F(h) in evaluation (inverted); h + m F(h), then h + p F(h) (scaled); block l of L.

    m is 1 with probability p = 1 - (l/L) r, drawn per example and block: the linear decay rule.

    rate: r = P(drop) of the last block's branch, in [0, 1); 0 is off
    mode: inverted (default) or scaled (the paper's); a block's mean in training is its output in
        evaluation in both

    Convention: the paper names the last block's survival probability p_L = 1 - r (0.5 there) and draws m once per
    minibatch; here m is drawn per example. Monte Carlo prediction skips branches as training does.
    Source: Huang, Sun, Liu, Sedra, Weinberger 2016.
    """

    lecture = {"mode": "scaled"}
    neutral = {"rate": 0.0}
    rate: Rate = 0.2
    mode: Literal["inverted", "scaled"] = "inverted"

    def conflicts(self, experiment: Any) -> list[Problem]:
        if experiment.model.residual:
            return []
        return [Problem(f"stochastic_depth drops residual blocks; the model {experiment.model.name} has none")]

    def transform_activation(self, x: Float[Array, " batch *features"], site: Site) -> Float[Array, " batch *features"]:
        if site.kind != "residual":
            return x
        rate = self.rate * site.depth
        keep = jnp.asarray(1 - rate, x.dtype)
        if not site.random:
            return x if self.mode == "inverted" else x * keep
        scale = 1 / keep if self.mode == "inverted" else jnp.ones((), x.dtype)
        dropped = drop_mask(present(site.key), rate, (x.shape[0],) + (1,) * (x.ndim - 1))
        return jnp.where(dropped, jnp.zeros((), x.dtype), x * scale)
