"""A learning rate that decays by a constant factor per unit of time."""

from __future__ import annotations

from regexp.core.component import Fraction, component
from regexp.core.lazy import jnp
from regexp.core.shapes import Array, Float, Scalar
from regexp.schedules.base import Schedule


@component
class Exponential(Schedule):
    """eps_k = eps_0 d^(k/u), u the steps in one `unit`.

    decay: d in [0, 1], the fraction that remains after one unit; 1 is constant
    warmup: length of the preceding linear rise from 0, in `unit`; 0 is none
    unit: steps, epochs (default) or fraction (one unit is the entire run)

    Source: optax.exponential_decay, torch.optim.lr_scheduler.ExponentialLR.
    """

    decay: Fraction = 0.95

    def factor(self, step: Float[Array, ""], scale: Float[Array, ""], steps: Scalar) -> Float[Array, ""]:
        return jnp.power(jnp.asarray(self.decay, jnp.float32), step / scale)
