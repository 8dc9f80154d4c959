"""Add Gaussian noise to the hidden activations."""

from __future__ import annotations

from typing import Literal

from regexp.core.component import NonNegative, component
from regexp.core.prng import hash_normal
from regexp.core.shapes import Array, Float
from regexp.regularizers.base import Regularizer, Site, present


@component
class ActivationNoise(Regularizer):
    """additive: h' = h + sigma z; multiplicative: h' = h (1 + sigma z); z ~ N(0, I) after each hidden nonlinearity.

    sigma: >= 0; additive in units of the activations, multiplicative as a fraction of each; 0 is off
    form: additive (default) or multiplicative

    Convention: drawn per example and unit, in training and for Monte Carlo prediction; E h' = h in both forms, so
    evaluation needs no scaling. Multiplicative has the variance of inverted dropout at sigma^2 = rate/(1 - rate).
    Source: Poole, Sohl-Dickstein, Ganguli 2014 (additive); Srivastava et al. 2014, section 10 (multiplicative).
    """

    neutral = {"sigma": 0.0}
    needs_hidden = True
    sigma: NonNegative = 0.1
    form: Literal["additive", "multiplicative"] = "additive"

    def transform_activation(self, x: Float[Array, " batch *features"], site: Site) -> Float[Array, " batch *features"]:
        if site.kind != "post" or not site.random:
            return x
        noise = self.sigma * hash_normal(present(site.key), x.shape, x.dtype)
        return x + noise if self.form == "additive" else x * (1 + noise)
