"""A learning rate that drops at regular times."""

from __future__ import annotations

from typing import Any

from regexp.core.component import Fraction, Positive, component
from regexp.core.lazy import jnp
from regexp.schedules.base import Array, Schedule


@component
class Step(Schedule):
    """eps_k = eps_0 d^floor(k/l).

    every: l > 0, in `unit`
    drop: d in [0, 1], what is left after each drop; 1 is constant
    warmup: length of a linear rise from 0 before it, in `unit`; 0 is none
    unit: steps, epochs (default) or fraction of the run

    Source: He et al. 2016; torch.optim.lr_scheduler.StepLR.
    """

    every: Positive = 10.0
    drop: Fraction = 0.1

    def factor(self, step: Array, scale: Array, whole: Array) -> Array:
        length = jnp.maximum(self.every * scale, 1.0)
        drops: Any = jnp.floor(step / length)
        # XLA may multiply by the rounded reciprocal instead: 41 * (1/41) < 1, and the drop would come a step late.
        drops = jnp.where((drops + 1) * length <= step, drops + 1, drops)
        return jnp.power(jnp.asarray(self.drop, jnp.float32), drops)
