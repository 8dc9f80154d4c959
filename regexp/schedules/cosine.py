"""A learning rate that decays along half a cosine."""

from __future__ import annotations

from regexp.core.component import Fraction, Positive, component
from regexp.core.lazy import jnp
from regexp.core.shapes import Array, Float, Scalar
from regexp.schedules.base import Schedule, steps_of


@component
class Cosine(Schedule):
    """eps_k = eps_0 (f + (1 - f) (1 + cos(pi a))/2), a = min(k/tau, 1).

    length: tau, in `unit`; null (default) is the entire run
    final: f in [0, 1], the fraction that remains at the end; 1 is constant
    warmup: length of the preceding linear rise from 0, in `unit`; 0 is none
    unit: steps, epochs (default) or fraction of the run

    Source: Loshchilov, Hutter, SGDR, 2017, without restarts.
    """

    length: Positive | None = None
    final: Fraction = 0.0

    def factor(self, step: Float[Array, ""], scale: Float[Array, ""], steps: Scalar) -> Float[Array, ""]:
        a = jnp.minimum(step / steps_of(self.length, scale, steps), 1.0)
        return self.final + (1 - self.final) * 0.5 * (1 + jnp.cos(jnp.pi * a))
