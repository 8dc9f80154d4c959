"""A learning rate that drops at regular intervals."""

from __future__ import annotations

from regexp.core.component import Fraction, Positive, component
from regexp.core.lazy import jnp
from regexp.core.shapes import Array, Float, Scalar
from regexp.schedules.base import Schedule


@component
class Step(Schedule):
    """eps_k = eps_0 d^floor(k/l).

    every: l > 0, in `unit`
    drop: d in [0, 1], the fraction that remains after each drop; 1 is constant
    warmup: length of the preceding linear rise from 0, in `unit`; 0 is none
    unit: steps, epochs (default) or fraction of the run

    Source: He et al. 2016; torch.optim.lr_scheduler.StepLR.
    """

    every: Positive = 10.0
    drop: Fraction = 0.1

    def factor(self, step: Float[Array, ""], scale: Float[Array, ""], steps: Scalar) -> Float[Array, ""]:
        length = jnp.maximum(self.every * scale, 1.0)
        drops = jnp.floor(step / length)
        # XLA may multiply by the rounded reciprocal instead: 41 * (1/41) < 1 would delay the drop by a step.
        drops = jnp.where((drops + 1) * length <= step, drops + 1, drops)
        return jnp.power(jnp.asarray(self.drop, jnp.float32), drops)
