"""DropConnect: set random weights to zero in training."""

from __future__ import annotations

from typing import Any, Literal

from regexp.core.component import Count, Rate, component, static
from regexp.core.lazy import jax, jnp
from regexp.core.prng import drop_mask, stream
from regexp.core.problems import Problem
from regexp.regularizers.base import Arrays, Params, Regularizer, Site, matching, present


@component
class DropConnect(Regularizer):
    """w' = m w / (1 - r) in training, m is 0 with probability r for each weight; w in evaluation.

    rate: r = P(drop) of a weight, in [0, 1); 0 is off
    layers: rates by layer name pattern, e.g. {output: 0}; the longest match applies, other layers use `rate`
    per_example: true draws a mask for every example (the paper's; B times the memory), false one for the batch
    inference: mean (w, default), or gaussian: the inputs of a dense hidden layer's units are modelled as normal with
        their mean x w and variance x^2 w^2 r/(1 - r) over all masks, and the nonlinearity is averaged over `samples`
        draws
    samples: number of draws in gaussian inference, >= 1

    Convention: weights are scaled in training, so that the mean over masks is w.
    Source: Wan, Zeiler, Zhang, LeCun, Fergus 2013.
    """

    neutral = {"rate": 0.0}
    rate: Rate = 0.3
    layers: dict[str, Rate] | None = None
    per_example: bool = False
    inference: Literal["mean", "gaussian"] = "mean"
    samples: Count = static(default=32)

    def conflicts(self, experiment: Any) -> list[Problem]:
        if self.inference == "mean" or experiment.model.has_hidden():
            return []
        return [Problem(f"gaussian inference needs a hidden layer; the model {experiment.model.name} has none")]

    def transform_weights(self, params: Params, site: Site) -> Params:
        if site.random:
            return {name: self._masked(name, layer, site) for name, layer in params.items()}
        if self.inference == "gaussian" and site.mode == "eval":
            return {name: self._moments(name, layer) for name, layer in params.items()}
        return params

    def _masked(self, name: str, layer: Arrays, site: Site) -> Arrays:
        w, rate = layer["kernel"], matching(self.layers, name, self.rate)
        shape = (site.examples, *w.shape) if self.per_example else w.shape
        dropped = drop_mask(stream(present(site.key), name), rate, shape)
        return {**layer, "kernel": jnp.where(dropped, jnp.zeros((), w.dtype), w / jnp.asarray(1 - rate, w.dtype))}

    def _moments(self, name: str, layer: Arrays) -> Arrays:
        w, rate = layer["kernel"], matching(self.layers, name, self.rate)
        if w.ndim != 2:
            return layer
        keys = jax.random.split(stream(jax.random.PRNGKey(0), name), self.samples)
        return {**layer, "variance": jnp.square(w) * (rate / (1 - rate)), "sample_keys": keys}
