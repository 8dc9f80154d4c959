"""Multiply each colour channel by its own random gain, as a change of lighting does."""

from __future__ import annotations

from regexp.core.component import Fraction, component
from regexp.core.lazy import jax, jnp
from regexp.core.shapes import Key
from regexp.regularizers.base import Batch, Regularizer


@component
class ColorBalance(Regularizer):
    """x'[..., c] = g_c x[..., c], g_c ~ U(1-r, 1+r), drawn per channel and example, clipped to the raw range.

    Training batches only.

    range: r in [0, 1]; 0 is off, 1 ranges from removing a colour to doubling it; needs three channels

    Convention: each channel has its own gain; a single gain for all channels is `color_jitter`'s brightness.
    Source: Wu et al., Deep Image: Scaling up image recognition, 2015 (color casting, there by addition).
    """

    neutral = {"range": 0.0}
    images_only = True
    needs_colour = ("range",)
    range: Fraction = 0.1

    def transform_batch(self, batch: Batch, key: Key) -> Batch:
        x = batch.inputs
        shape = (x.shape[0], 1, 1, x.shape[-1])
        gain = jax.random.uniform(key, shape, x.dtype, 1 - self.range, 1 + self.range)
        return batch._replace(inputs=jnp.clip(gain * x, batch.low, batch.high))
