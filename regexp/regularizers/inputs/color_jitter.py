"""Change the brightness, contrast, saturation and hue of images."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from regexp.core.component import Fraction, component
from regexp.core.lazy import jax, jnp
from regexp.core.shapes import Array, Float, Key
from regexp.regularizers.base import Batch, Regularizer


@component
class ColorJitter(Regularizer):
    """x' = f x, then f x + (1 - f) m, then f x + (1 - f) g(x), then the hue rotated; training batches only.

    g(x) is the pixel's grey, 0.299 R + 0.587 G + 0.114 B, m its mean over the image. Each f is uniform on (1-r, 1+r),
    drawn per example and field, where r is the value of the field; each blend is clipped to the raw range.

    brightness: r in [0, 1]; 0 is off, 1 ranges from black to double brightness
    contrast: r in [0, 1]; 0 is off, 1 ranges from the mean grey to double contrast
    saturation: r in [0, 1]; 0 is off, 1 ranges from grey to double saturation; needs three channels
    hue: in [0, 0.5], largest rotation of the HSV circle in either direction; 0 is off, 0.5 gives any hue; needs three
        channels

    Convention: the order is fixed; torchvision also draws the order. On images of one channel saturation and hue must
    be 0. At 0 the first three are exact identities, and the hue changes values by at most 1e-6.
    Source: Howard, Some improvements on deep convolutional neural network based image classification, 2013.
    """

    neutral = {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0}
    images_only = True
    needs_colour = ("saturation", "hue")
    brightness: Fraction = 0.2
    contrast: Fraction = 0.2
    saturation: Fraction = 0.2
    hue: Annotated[float, Ge(0), Le(0.5)] = 0.05

    def transform_batch(self, batch: Batch, key: Key) -> Batch:
        x = batch.inputs
        drawn = jax.random.uniform(key, (4, x.shape[0], 1, 1, 1), x.dtype, -1, 1)

        def blend(x: Array, base: Array, factor: Array) -> Array:
            return jnp.clip(factor * x + (1 - factor) * base, batch.low, batch.high)

        x = blend(x, jnp.zeros((), x.dtype), 1 + self.brightness * drawn[0])
        x = blend(x, grey(x).mean((1, 2), keepdims=True), 1 + self.contrast * drawn[1])
        if x.shape[-1] == 3:
            x = blend(x, grey(x), 1 + self.saturation * drawn[2])
            x = turn_hue(x, self.hue * drawn[3, ..., 0])
        return batch._replace(inputs=x)


def grey(x: Float[Array, "*pixels channels"]) -> Float[Array, "*pixels 1"]:
    """Return each pixel's luma (ITU-R BT.601) if there are three channels, else its mean."""
    weights = (0.299, 0.587, 0.114) if x.shape[-1] == 3 else (1 / x.shape[-1],) * x.shape[-1]
    return (x * jnp.asarray(weights, x.dtype)).sum(-1, keepdims=True)


def turn_hue(x: Float[Array, "*pixels 3"], turns: Float[Array, "*#pixels"]) -> Float[Array, "*pixels 3"]:
    """Rotate each pixel's hue in HSV by `turns` of the circle; value and saturation are unchanged."""
    red, green, blue = (x[..., i : i + 1] for i in range(3))
    value = jnp.maximum(jnp.maximum(red, green), blue)
    chroma = value - jnp.minimum(jnp.minimum(red, green), blue)
    inverse_chroma = 1 / jnp.where(chroma > 0, chroma, 1)
    # Compare the channels instead of `value == red`: XLA may compute a pixel twice with different last bits, so that
    # no channel equals the maximum. At a tie both branches give the same hue.
    sixths = jnp.where(
        (red >= green) & (red >= blue),
        (green - blue) * inverse_chroma,
        jnp.where(green >= blue, 2 + (blue - red) * inverse_chroma, 4 + (red - green) * inverse_chroma),
    )
    place = sixths + 6 * turns[..., None] + jnp.asarray([5, 3, 1], x.dtype)
    place = place - 6 * jnp.floor(place * (1 / 6))
    return value - chroma * jnp.clip(2 - jnp.abs(place - 2), 0, 1)
