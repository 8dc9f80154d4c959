"""Enlarge or shrink images about their centre."""

from __future__ import annotations

from regexp.core.component import Fraction, component
from regexp.core.shapes import Array, Float, Key
from regexp.regularizers.base import Batch
from regexp.regularizers.inputs.geometry import Fill, Warp, affine, factors


@component
class Zoom(Warp):
    """x'(p) = x(p / s) about the centre, s = (1 + r)^u, u ~ U(-1, 1), drawn per example; training batches only.

    range: r in [0, 1]; images are scaled by 1/(1+r) to 1+r; 0 is off, 1 halves to doubles
    fill: values beyond the border: reflect (mirror about the border's pixels) or zero

    Convention: bilinear; adjacent rotate, translate, stretch, zoom and flips are applied as one warp.
    `stretch` scales the axes separately.
    Source: Simard, Steinkraus, Platt, Best practices for convolutional neural networks, 2003.
    """

    neutral = {"range": 0.0}
    range: Fraction = 0.2
    fill: Fill = "reflect"

    def matrix(self, key: Key, batch: Batch) -> Float[Array, "batch 3 3"]:
        factor = factors(key, self.range, batch.inputs.shape[:1])
        return affine((1 / factor, 0, 0), (0, 1 / factor, 0))
