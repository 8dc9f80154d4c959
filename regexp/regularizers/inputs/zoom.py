"""Enlarge or shrink images about their centre."""

from __future__ import annotations

from typing import Any

from regexp.core.component import Fraction, component
from regexp.regularizers.base import Array, Batch
from regexp.regularizers.inputs.geometry import Fill, Warp, affine, factors


@component
class Zoom(Warp):
    """x'(p) = x(p / s) about the centre, s = (1 + r)^u, u ~ U(-1, 1), drawn per example; training batches only.

    range: r in [0, 1]; images are scaled by 1/(1+r) to 1+r; 0 is off, 1 halves to doubles
    fill: what stands beyond the border: reflect (mirror about the border's pixels) or zero

    Convention: bilinear; neighbours among rotate, translate, stretch, zoom and the flips are one warp. Each axis by a
    factor of its own: `stretch`.
    Source: Simard, Steinkraus, Platt, Best practices for convolutional neural networks, 2003.
    """

    neutral = {"range": 0.0}
    range: Fraction = 0.2
    fill: Fill = "reflect"

    def matrix(self, key: Any, batch: Batch) -> Array:
        factor = factors(key, self.range, batch.inputs.shape[:1])
        return affine((1 / factor, 0, 0), (0, 1 / factor, 0))
