"""A learning rate that decays linearly, then stays constant."""

from __future__ import annotations

from regexp.core.component import Fraction, Positive, component
from regexp.core.lazy import jnp
from regexp.core.shapes import Array, Float, Scalar
from regexp.schedules.base import Schedule, steps_of


@component
class Linear(Schedule):
    """eps_k = (1 - a) eps_0 + a eps_tau, a = min(k/tau, 1).

    length: tau, in `unit`; null (default) is the entire run
    final: eps_tau as a fraction of eps_0, in [0, 1]; 1 is constant
    warmup: length of the preceding linear rise from 0, in `unit`; 0 is none
    unit: steps, epochs (default) or fraction of the run

    Source: Goodfellow, Bengio, Courville, Deep Learning, 2016, 8.3.1 (equation 8.14).
    """

    length: Positive | None = None
    final: Fraction = 0.01

    def factor(self, step: Float[Array, ""], scale: Float[Array, ""], steps: Scalar) -> Float[Array, ""]:
        a = jnp.minimum(step / steps_of(self.length, scale, steps), 1.0)
        return (1 - a) + a * self.final
