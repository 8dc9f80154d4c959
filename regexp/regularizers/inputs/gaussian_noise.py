"""Add Gaussian noise to the inputs."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.prng import hash_normal
from regexp.core.shapes import Array, Float
from regexp.regularizers.base import Regularizer, Site, present


@component
class GaussianNoise(Regularizer):
    """x' = x + sigma z, z ~ N(0, I), drawn per element in training, on the preprocessed inputs.

    sigma: >= 0 in units of the preprocessed input (standard deviations after `standardize`); 0 is off

    Convention: the noise follows preprocessing, so that one sigma suits every column of a table. For a linear model
    with squared error it equals, in expectation, L2 with a = 2 sigma^2.
    Source: Bishop, Training with noise is equivalent to Tikhonov regularization, 1995.
    """

    neutral = {"sigma": 0.0}
    sigma: NonNegative = 0.1

    def transform_activation(self, x: Float[Array, " batch *features"], site: Site) -> Float[Array, " batch *features"]:
        if site.kind != "input" or not site.random:
            return x
        return x + self.sigma * hash_normal(present(site.key), x.shape, x.dtype)
