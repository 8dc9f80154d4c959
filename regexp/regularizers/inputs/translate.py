"""Shift images by a random distance, including fractions of a pixel."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.shapes import Array, Float, Key
from regexp.regularizers.base import Batch
from regexp.regularizers.inputs.geometry import Fill, Warp, affine, symmetric


@component
class Translate(Warp):
    """x'(p) = x(p - t), t ~ U(-d, d) along each axis, drawn per example; training batches only.

    pixels: d >= 0; 0 is off; can be swept without recompiling, unlike the padding of `random_crop`, which shifts by
        entire pixels
    fill: values beyond the border: reflect (mirror about the border's pixels) or zero

    Convention: bilinear; adjacent rotate, translate, stretch, zoom and flips are applied as one warp.
    Source: Simard, Steinkraus, Platt, Best practices for convolutional neural networks, 2003.
    """

    neutral = {"pixels": 0.0}
    pixels: NonNegative = 2.0
    fill: Fill = "reflect"

    def matrix(self, key: Key, batch: Batch) -> Float[Array, "batch 3 3"]:
        rows, columns = symmetric(key, self.pixels, (2, batch.inputs.shape[0]))
        return affine((1, 0, -rows), (0, 1, -columns))
