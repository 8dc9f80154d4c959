"""Normalise each unit over the minibatch (batch normalisation)."""

from __future__ import annotations

from typing import Literal

from regexp.core.component import Fraction, Positive, component
from regexp.core.lazy import jnp, lax
from regexp.core.shapes import Array, Float
from regexp.regularizers.base import Arrays, Regularizer, Site


@component
class BatchNorm(Regularizer):
    """h' = gamma (h - mu) / sqrt(sigma^2 + e) + beta before each nonlinearity; per feature, or per channel of images.

    In training mu and sigma^2 (divided by B) are the minibatch's; in evaluation they are means of mu and of
    sigma^2 B/(B-1). The preceding bias has no effect and is omitted from the model.

    momentum: weight of the newest batch in the running statistics, in [0, 1]; 1 keeps only the last batch's, 0 only
        the initial mean 0 and variance 1
    statistics: the statistics used in evaluation: ema (running means, default) or population (means over all training
        minibatches at the final weights, recomputed after training); the run reports the gap between the two
    epsilon: e > 0

    Convention: momentum is PyTorch's; Keras' is 1 - m.
    Source: Ioffe, Szegedy 2015.
    """

    lecture = {"statistics": "population"}
    needs_hidden = True
    needs_others = True
    momentum: Fraction = 0.1
    statistics: Literal["ema", "population"] = "ema"
    epsilon: Positive = 1e-5

    def site_variables(self, site: Site, shape: tuple[int, ...]) -> tuple[Arrays, Arrays]:
        if site.kind != "pre":
            return {}, {}
        ones, zeros = jnp.ones(shape[-1]), jnp.zeros(shape[-1])
        return {"gamma": ones, "beta": zeros}, {"mean": zeros, "variance": ones}

    def absorbs_bias(self, site_name: str) -> bool:
        return site_name.endswith("/pre")

    def transform_activation(self, x: Float[Array, " batch *features"], site: Site) -> Float[Array, " batch *features"]:
        if site.kind != "pre":
            return x
        mean, variance = site.state["mean"], site.state["variance"]
        if site.mode in ("train", "statistics"):
            mean, variance = self.batch_statistics(x, site)
        scale = site.parameters["gamma"] * lax.rsqrt(variance + self.epsilon)
        return (x - mean) * scale + site.parameters["beta"]

    def batch_statistics(
        self, x: Float[Array, "*axes units"], site: Site
    ) -> tuple[Float[Array, " units"], Float[Array, " units"]]:
        """Return the batch's mean and biased variance, and store the new running statistics in the site."""
        axes = tuple(range(x.ndim - 1))
        mean = jnp.mean(x, axes)
        variance = jnp.mean(jnp.square(x - mean), axes)
        n = x.size // x.shape[-1]
        weight = jnp.asarray(self.momentum, x.dtype)
        batch = {"mean": mean, "variance": variance * (n / max(n - 1, 1))}
        old = site.state
        if site.mode == "statistics":
            site.new_state = batch
            return mean, variance
        site.new_state = {name: lax.stop_gradient((1 - weight) * old[name] + weight * batch[name]) for name in old}
        return mean, variance
