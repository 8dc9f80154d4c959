"""Blur images with a Gaussian of random width."""

from __future__ import annotations

from regexp.core.component import Count, NonNegative, component, static
from regexp.core.lazy import jax, jnp
from regexp.core.shapes import Array, Float, Key
from regexp.regularizers.base import Batch, Regularizer


@component
class Blur(Regularizer):
    """x' = x * w along rows, then columns, w_k = exp(-k^2 / (2 s^2)) / sum for abs(k) <= R, s ~ U(0, S) per example.

    Training batches only.

    sigma: S >= 0 in pixels, the largest standard deviation drawn; 0 is off
    radius: R >= 1 pixels, where the Gaussian is truncated and normalised to sum 1; each value compiles a program

    Convention: R = 3 truncates less than 0.5 % of the Gaussian up to s = 1.2; for larger s the filter approaches a mean
    over 2R+1 pixels. Images are mirrored about the border's pixels (SciPy's `mirror`).
    Source: Chen, Kornblith, Norouzi, Hinton, A simple framework for contrastive learning (SimCLR), 2020, appendix A.
    """

    neutral = {"sigma": 0.0}
    images_only = True
    sigma: NonNegative = 1.0
    radius: Count = static(default=3)

    def transform_batch(self, batch: Batch, key: Key) -> Batch:
        x = batch.inputs
        sigma = self.sigma * jax.random.uniform(key, x.shape[:1], x.dtype)
        weights = self._weights(sigma)
        return batch._replace(inputs=_along(_along(x, weights, 1), weights, 2))

    def _weights(self, sigma: Float[Array, " batch"]) -> Float[Array, "taps batch"]:
        """Return the 2R+1 weights of each example; at sigma 0 the middle one is exactly 1."""
        offset = jnp.arange(-self.radius, self.radius + 1, dtype=sigma.dtype)[:, None]
        smallest = jnp.finfo(sigma.dtype).tiny ** 0.5
        weights = jnp.exp(-0.5 * (offset / jnp.maximum(sigma, smallest)) ** 2)
        return weights / weights.sum(0)


def _along(
    x: Float[Array, "batch height width channels"], weights: Float[Array, "taps batch"], axis: int
) -> Float[Array, "batch height width channels"]:
    """Return the weighted sum of the images shifted along an axis."""
    radius, side = len(weights) // 2, x.shape[axis]
    pads = [(radius, radius) if a == axis else (0, 0) for a in range(4)]
    padded = jnp.pad(x, pads, mode="reflect" if side > 1 else "edge")
    shifted = (jax.lax.slice_in_dim(padded, k, k + side, axis=axis) for k in range(2 * radius + 1))
    return sum(w[:, None, None, None] * part for w, part in zip(weights, shifted, strict=True))
