"""Add Gaussian noise to the weights."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.prng import hash_normal, stream
from regexp.core.shapes import Array, Float, Key
from regexp.regularizers.base import Params, Regularizer, Site, kernels, present, with_kernels


@component
class WeightNoise(Regularizer):
    """w' = w + sigma z, z ~ N(0, I), drawn for every kernel and step in training; w in evaluation.

    sigma: >= 0 in units of the weights; 0 is off

    Convention: the gradient is taken at w' and applied to w. Near a minimum of squared error it adds, in expectation,
    sigma^2/2 times the trace of the Hessian to the loss, so it favours flat minima.
    Source: Jim, Giles, Horne 1996; Graves 2011; Goodfellow et al., Deep Learning, 2016, 7.5.
    """

    neutral = {"sigma": 0.0}
    sigma: NonNegative = 0.01

    def transform_weights(self, params: Params, site: Site) -> Params:
        if not site.random:
            return params
        noisy = {name: self._noisy(w, stream(present(site.key), name)) for name, w in kernels(params).items()}
        return with_kernels(params, noisy)

    def _noisy(self, w: Float[Array, "*shape"], key: Key) -> Float[Array, "*shape"]:
        return w + self.sigma * hash_normal(key, w.shape, w.dtype)
