"""A learning rate that decays inversely with time."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.shapes import Array, Float, Scalar
from regexp.schedules.base import Schedule


@component
class InverseTime(Schedule):
    """eps_k = eps_0 / (1 + d k/u), u the steps in one `unit`.

    decay: d >= 0; the rate is halved after 1/d units; 0 is constant
    warmup: length of the preceding linear rise from 0, in `unit`; 0 is none
    unit: steps, epochs (default) or fraction (one unit is the entire run)

    Source: Robbins, Monro 1951.
    """

    decay: NonNegative = 0.1

    def factor(self, step: Float[Array, ""], scale: Float[Array, ""], steps: Scalar) -> Float[Array, ""]:
        return 1 / (1 + self.decay * step / scale)
