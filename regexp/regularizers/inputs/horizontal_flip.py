"""Mirror images left to right."""

from __future__ import annotations

from typing import Any

from regexp.core.component import Fraction, component
from regexp.core.lazy import jax, jnp
from regexp.regularizers.base import Array, Batch
from regexp.regularizers.inputs.geometry import Geometric, affine


@component
class HorizontalFlip(Geometric):
    """x'[i, j] = x[i, W-1-j] with probability p, drawn per example; training batches only.

    probability: p in [0, 1]; 0 is off, 1 mirrors every image

    Convention: labels stay; neighbours among rotate, translate, stretch, zoom and the flips are one warp.
    Source: Krizhevsky et al. 2012.
    """

    neutral = {"probability": 0.0}
    probability: Fraction = 0.5

    def transform_batch(self, batch: Batch, key: Any) -> Batch:
        flip = self._draw(key, batch)[:, None, None, None]
        return batch._replace(inputs=jnp.where(flip, batch.inputs[:, :, ::-1], batch.inputs))

    def matrix(self, key: Any, batch: Batch) -> Array:
        return affine((1, 0, 0), (0, jnp.where(self._draw(key, batch), -1, 1), 0))

    def _draw(self, key: Any, batch: Batch) -> Array:
        return jax.random.bernoulli(key, self.probability, batch.inputs.shape[:1])
