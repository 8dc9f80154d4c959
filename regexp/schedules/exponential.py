"""A learning rate that falls by a constant factor per unit of time."""

from __future__ import annotations

from regexp.core.component import Fraction, component
from regexp.core.lazy import jnp
from regexp.schedules.base import Array, Schedule


@component
class Exponential(Schedule):
    """eps_k = eps_0 d^(k/u), u the steps in one `unit`.

    decay: d in [0, 1], what is left after one unit; 1 is constant
    warmup: length of a linear rise from 0 before it, in `unit`; 0 is none
    unit: steps, epochs (default) or fraction (one unit is the whole run)

    Source: optax.exponential_decay, torch.optim.lr_scheduler.ExponentialLR.
    """

    decay: Fraction = 0.95

    def factor(self, step: Array, scale: Array, whole: Array) -> Array:
        return jnp.power(jnp.asarray(self.decay, jnp.float32), step / scale)
