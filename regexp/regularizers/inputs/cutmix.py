"""CutMix: replace a box of each image by the same box of another image."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jax, jnp
from regexp.core.prng import symmetric_beta
from regexp.core.shapes import Array, Bool, Int, Key, Scalar
from regexp.regularizers.base import Batch, Regularizer


@component
class CutMix(Regularizer):
    """x' = x_i with a box taken from x_j, t' = k t_i + (1 - k) t_j, k the fraction of pixels that remain from x_i.

    The box is H sqrt(1 - lam) by W sqrt(1 - lam) pixels, rounded down, lam ~ Beta(alpha, alpha); its centre is uniform
    over the pixels; parts outside the image are cut off. j is i's partner by a random permutation of the batch.

    alpha: >= 0; 0 is off, 1 draws lam uniformly, large alpha makes lam = 1/2

    Convention: one lam and one box per batch, as in the authors' code; training batches only. The targets are mixed by
    the exact area k, not by lam, so they match the image.
    Source: Yun, Han, Oh, Chun, Choe, Yoo 2019 (alpha = 1).
    """

    neutral = {"alpha": 0.0}
    needs_others = True
    images_only = True
    alpha: NonNegative = 1.0

    def transform_batch(self, batch: Batch, key: Key) -> Batch:
        weight_key, partner_key, centre_key = jax.random.split(key, 3)
        size, height, width, _ = batch.inputs.shape
        partner = jax.random.permutation(partner_key, size)
        centre = jax.random.randint(centre_key, (2,), 0, jnp.asarray([height, width]))
        return self.pasted(batch, symmetric_beta(weight_key, self.alpha), partner, centre)

    def pasted(self, batch: Batch, weight: Scalar, partner: Int[Array, " batch"], centre: Int[Array, 2]) -> Batch:
        """Return the batch with each partner's box, whose area is the fraction 1 - `weight` before it is cut off."""
        height, width = batch.inputs.shape[1:3]
        box = _span(height, weight, centre[0])[:, None] & _span(width, weight, centre[1])
        remaining = 1 - jnp.mean(box, dtype=batch.targets.dtype)
        return batch._replace(
            inputs=jnp.where(box[:, :, None], batch.inputs[partner], batch.inputs),
            targets=remaining * batch.targets + (1 - remaining) * batch.targets[partner],
        )


def _span(side: int, weight: Scalar, centre: Scalar) -> Bool[Array, " side"]:
    """Return which of the positions 0 .. side-1 the box covers."""
    length = jnp.floor(side * jnp.sqrt(1 - weight)).astype(jnp.int32)
    start = centre - length // 2
    positions = jnp.arange(side)
    return (positions >= start) & (positions < start + length)
