"""Shift images, by parts of a pixel, too."""

from __future__ import annotations

from typing import Any

from regexp.core.component import NonNegative, component
from regexp.regularizers.base import Array, Batch
from regexp.regularizers.inputs.geometry import Fill, Warp, affine, symmetric


@component
class Translate(Warp):
    """x'(p) = x(p - t), t ~ U(-d, d) along each axis, drawn per example; training batches only.

    pixels: d >= 0; 0 is off; a swept number, unlike the padding of `random_crop`, which shifts by whole pixels
    fill: what stands beyond the border: reflect (mirror about the border's pixels) or zero

    Convention: bilinear; neighbours among rotate, translate, stretch, zoom and the flips are one warp.
    Source: Simard, Steinkraus, Platt, Best practices for convolutional neural networks, 2003.
    """

    neutral = {"pixels": 0.0}
    pixels: NonNegative = 2.0
    fill: Fill = "reflect"

    def matrix(self, key: Any, batch: Batch) -> Array:
        rows, columns = symmetric(key, self.pixels, (2, batch.inputs.shape[0]))
        return affine((1, 0, -rows), (0, 1, -columns))
