"""Pad images, then crop a window of the original size at a random position."""

from __future__ import annotations

from typing import Literal

from regexp.core.component import Natural, component, static
from regexp.core.lazy import jax, jnp
from regexp.core.shapes import Key
from regexp.regularizers.base import Batch, Regularizer


@component
class RandomCrop(Regularizer):
    """Pad each side by p pixels and crop H x W at an offset uniform on {0, ..., 2p}^2, drawn per example.

    padding: p >= 0 pixels; 0 is off; changes a shape, so each value compiles a program
    fill: reflect (mirror at the border, needs p < H, W) or zero

    Convention: reflect does not repeat the border's pixels (NumPy's `reflect`); He et al. pad with zeros. Training
    batches only.
    Source: Krizhevsky et al. 2012; He et al. 2016 (4 pixels on 32 x 32).
    """

    neutral = {"padding": 0}
    images_only = True
    padding: Natural = static(default=4)
    fill: Literal["reflect", "zero"] = "reflect"

    def transform_batch(self, batch: Batch, key: Key) -> Batch:
        p, (size, height, width, _) = self.padding, batch.inputs.shape
        mode = {"reflect": "reflect", "zero": "constant"}[self.fill]
        padded = jnp.pad(batch.inputs, ((0, 0), (p, p), (p, p), (0, 0)), mode=mode)
        offsets = jax.random.randint(key, (2, size), 0, 2 * p + 1)
        rows = offsets[0][:, None] + jnp.arange(height)
        columns = offsets[1][:, None] + jnp.arange(width)
        examples = jnp.arange(size)[:, None, None]
        return batch._replace(inputs=padded[examples, rows[:, :, None], columns[:, None, :]])
