"""Mirror images upside down."""

from __future__ import annotations

from regexp.core.component import Fraction, component
from regexp.core.lazy import jax, jnp
from regexp.core.shapes import Array, Bool, Float, Key
from regexp.regularizers.base import Batch
from regexp.regularizers.inputs.geometry import Geometric, affine


@component
class VerticalFlip(Geometric):
    """x'[i, j] = x[H-1-i, j] with probability p, drawn per example; training batches only.

    probability: p in [0, 1]; 0 is off, 1 mirrors every image

    Convention: labels are unchanged; adjacent rotate, translate, stretch, zoom and flips are applied as one warp.
    Source: Shorten, Khoshgoftaar, A survey on image data augmentation for deep learning, 2019.
    """

    neutral = {"probability": 0.0}
    probability: Fraction = 0.5

    def transform_batch(self, batch: Batch, key: Key) -> Batch:
        flip = self._draw(key, batch)[:, None, None, None]
        return batch._replace(inputs=jnp.where(flip, batch.inputs[:, ::-1], batch.inputs))

    def matrix(self, key: Key, batch: Batch) -> Float[Array, "batch 3 3"]:
        return affine((jnp.where(self._draw(key, batch), -1, 1), 0, 0), (0, 1, 0))

    def _draw(self, key: Key, batch: Batch) -> Bool[Array, " batch"]:
        return jax.random.bernoulli(key, self.probability, batch.inputs.shape[:1])
