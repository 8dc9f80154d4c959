"""CutMix: a box of another image."""

from __future__ import annotations

from typing import Any

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jax, jnp
from regexp.core.prng import symmetric_beta
from regexp.regularizers.base import Array, Batch, Regularizer


@component
class CutMix(Regularizer):
    """x' = x_i with a box of x_j in its place, t' = k t_i + (1 - k) t_j, k the share of pixels kept of x_i.

    The box is H sqrt(1 - lam) by W sqrt(1 - lam) pixels, rounded down, lam ~ Beta(alpha, alpha); its centre is uniform
    over the pixels; what lies outside the image is cut off. j is i's partner by a random permutation of the batch.

    alpha: >= 0; 0 is off, 1 draws lam uniformly, large alpha makes lam = 1/2

    Convention: one lam and one box per batch, as in the authors' code; training batches only. The targets are mixed by
    the exact area k, not by lam, so the label tells what the image shows.
    Source: Yun, Han, Oh, Chun, Choe, Yoo 2019 (alpha = 1).
    """

    neutral = {"alpha": 0.0}
    needs_others = True
    images_only = True
    alpha: NonNegative = 1.0

    def transform_batch(self, batch: Batch, key: Any) -> Batch:
        weight_key, partner_key, centre_key = jax.random.split(key, 3)
        size, height, width, _ = batch.inputs.shape
        partner = jax.random.permutation(partner_key, size)
        centre = jax.random.randint(centre_key, (2,), 0, jnp.asarray([height, width]))
        return self.pasted(batch, symmetric_beta(weight_key, self.alpha), partner, centre)

    def pasted(self, batch: Batch, weight: Array, partner: Array, centre: Array) -> Batch:
        """Each image with its partner's box, of the share 1 - `weight` where it does not leave the image."""
        height, width = batch.inputs.shape[1:3]
        box = _span(height, weight, centre[0])[:, None] & _span(width, weight, centre[1])
        kept = 1 - jnp.mean(box, dtype=batch.targets.dtype)
        return batch._replace(
            inputs=jnp.where(box[:, :, None], batch.inputs[partner], batch.inputs),
            targets=kept * batch.targets + (1 - kept) * batch.targets[partner],
        )


def _span(side: int, weight: Array, centre: Array) -> Array:
    """Which of the places 0 .. side-1 the box covers."""
    length = jnp.floor(side * jnp.sqrt(1 - weight)).astype(jnp.int32)
    start = centre - length // 2
    places = jnp.arange(side)
    return (places >= start) & (places < start + length)
