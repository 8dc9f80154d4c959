"""A constant learning rate."""

from __future__ import annotations

from regexp.core.component import component
from regexp.core.lazy import jnp
from regexp.core.shapes import Array, Float, Scalar
from regexp.schedules.base import Schedule


@component
class Constant(Schedule):
    """eps_k = eps_0 after the warmup.

    warmup: length of a linear rise from 0, in `unit`; 0 is none
    unit: steps, epochs (default) or fraction of the run

    Source: Robbins, Monro 1951, whose conditions it violates.
    """

    def factor(self, step: Float[Array, ""], scale: Float[Array, ""], steps: Scalar) -> Float[Array, ""]:
        return jnp.ones(())
