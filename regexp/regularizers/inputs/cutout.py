"""Black out a square of each image."""

from __future__ import annotations

from regexp.core.component import Fraction, component
from regexp.core.lazy import jax, jnp
from regexp.core.shapes import Key
from regexp.regularizers.base import Batch, Regularizer


@component
class Cutout(Regularizer):
    """x'[i, j] = low where abs(i + 1/2 - u) < f H / 2 and abs(j + 1/2 - v) < f W / 2, else x[i, j].

    The centre (u, v) is uniform on the image, drawn per example; the square may extend beyond the border.
    Training batches only.

    fraction: f in [0, 1], the side of the square as a fraction of the image's; 0 is off, 1 hides at least a quarter

    Convention: the fill is the low end of the raw range, black; DeVries and Taylor fill with the data's mean.
    Source: DeVries, Taylor, Improved regularization of convolutional neural networks with cutout, 2017.
    """

    neutral = {"fraction": 0.0}
    images_only = True
    fraction: Fraction = 0.5

    def transform_batch(self, batch: Batch, key: Key) -> Batch:
        size, height, width, _ = batch.inputs.shape
        centre = jax.random.uniform(key, (2, size, 1))
        rows = jnp.abs((jnp.arange(height) + 0.5) / height - centre[0]) < self.fraction / 2
        columns = jnp.abs((jnp.arange(width) + 0.5) / width - centre[1]) < self.fraction / 2
        hidden = (rows[:, :, None] & columns[:, None, :])[..., None]
        return batch._replace(inputs=jnp.where(hidden, batch.low, batch.inputs))
