"""A learning rate that falls as one over time."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.schedules.base import Array, Schedule


@component
class InverseTime(Schedule):
    """eps_k = eps_0 / (1 + d k/u), u the steps in one `unit`.

    decay: d >= 0; the rate is halved after 1/d units; 0 is constant
    warmup: length of a linear rise from 0 before it, in `unit`; 0 is none
    unit: steps, epochs (default) or fraction (one unit is the whole run)

    Source: Robbins, Monro 1951.
    """

    decay: NonNegative = 0.1

    def factor(self, step: Array, scale: Array, whole: Array) -> Array:
        return 1 / (1 + self.decay * step / scale)
