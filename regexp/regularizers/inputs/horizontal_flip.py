"""Mirror images left to right."""

from __future__ import annotations

from typing import Any

from regexp.component import Fraction, component
from regexp.lazy import jax, jnp
from regexp.regularizers.base import Batch, Regularizer


@component
class HorizontalFlip(Regularizer):
    """x'[i, j] = x[i, W-1-j] with probability p, drawn per example; training batches only.

    probability: p in [0, 1]; 0 is off, 1 mirrors every image

    Source: Krizhevsky et al. 2012.
    """

    neutral = {"probability": 0.0}
    images_only = True
    probability: Fraction = 0.5

    def transform_batch(self, batch: Batch, key: Any) -> Batch:
        flip = jax.random.bernoulli(key, self.probability, (batch.inputs.shape[0], 1, 1, 1))
        return batch._replace(inputs=jnp.where(flip, batch.inputs[:, :, ::-1], batch.inputs))
