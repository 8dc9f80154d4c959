"""Rotate images about their centre."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from regexp.core.component import component
from regexp.core.lazy import jnp
from regexp.core.shapes import Array, Float, Key
from regexp.regularizers.base import Batch
from regexp.regularizers.inputs.geometry import Fill, Warp, affine, symmetric


@component
class Rotate(Warp):
    """x'(p) = x(R p), R the rotation by t ~ U(-d, d) degrees about the centre, drawn per example.

    Training batches only.

    degrees: d in [0, 180]; 0 is off, 180 allows any angle
    fill: values beyond the border: reflect (mirror about the border's pixels) or zero

    Convention: bilinear; adjacent rotate, translate, stretch, zoom and flips are applied as one warp.
    Source: Simard, Steinkraus, Platt, Best practices for convolutional neural networks, 2003.
    """

    neutral = {"degrees": 0.0}
    degrees: Annotated[float, Ge(0), Le(180)] = 15.0
    fill: Fill = "reflect"

    def matrix(self, key: Key, batch: Batch) -> Float[Array, "batch 3 3"]:
        angle = jnp.deg2rad(symmetric(key, self.degrees, batch.inputs.shape[:1]))
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        return affine((cos, -sin, 0), (sin, cos, 0))
