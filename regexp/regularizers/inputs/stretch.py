"""Stretch or squeeze images, height and width each by a factor of its own."""

from __future__ import annotations

from typing import Any

from regexp.core.component import Fraction, component
from regexp.regularizers.base import Array, Batch
from regexp.regularizers.inputs.geometry import Fill, Warp, affine, factors


@component
class Stretch(Warp):
    """x'(i, j) = x(i / s, j / t) about the centre, s, t = (1 + r)^u, u ~ U(-1, 1), drawn per axis and example.

    Training batches only.

    range: r in [0, 1]; each axis is scaled by 1/(1+r) to 1+r; 0 is off, 1 halves to doubles
    fill: what stands beyond the border: reflect (mirror about the border's pixels) or zero

    Convention: bilinear; neighbours among rotate, translate, stretch, zoom and the flips are one warp. Equal factors on
    both axes: `zoom`.
    Source: Simard, Steinkraus, Platt, Best practices for convolutional neural networks, 2003.
    """

    neutral = {"range": 0.0}
    range: Fraction = 0.2
    fill: Fill = "reflect"

    def matrix(self, key: Any, batch: Batch) -> Array:
        rows, columns = factors(key, self.range, (2, batch.inputs.shape[0]))
        return affine((1 / rows, 0, 0), (0, 1 / columns, 0))
