"""The contract of a schedule: the learning rate at step k, a pure function of traced numbers.

Nothing here branches in Python on a number, so another length or rate compiles nothing new.
"""

from __future__ import annotations

from typing import Any, Literal

from regexp.core.component import Catalogue, Component, NonNegative, component
from regexp.core.lazy import jnp

Array = Any
Unit = Literal["steps", "epochs", "fraction"]


@component
class Schedule(Component):
    """eps_k = eps_0 * ramp(k) * factor(k - warmup), k = 0, 1, ...

    warmup: length over which the rate rises linearly from eps_0/w to eps_0: ramp = min((k + 1)/w, 1); 0 is none
    unit: of this schedule's lengths: steps, epochs (default) or fraction of the run
    """

    warmup: NonNegative = 0.0
    unit: Unit = "epochs"

    def rate(self, step: Array, steps_per_epoch: Array, total_steps: Array) -> Array:
        """eps_k / eps_0 at update `step`; all three are traced numbers."""
        scale = {"steps": 1.0, "epochs": steps_per_epoch, "fraction": total_steps}[self.unit]
        warmup = jnp.asarray(self.warmup * scale, jnp.float32)
        ramp = jnp.minimum((step + 1) / jnp.maximum(warmup, 1.0), 1.0)
        after = jnp.maximum(step - warmup, 0.0)
        return ramp * self.factor(after, jnp.asarray(scale, jnp.float32), total_steps - warmup)

    def factor(self, step: Array, scale: Array, whole: Array) -> Array:
        """The factor at `step` after the warmup.

        scale: steps in one unit of this schedule's lengths
        whole: steps from the end of the warmup to the end of the run
        """
        raise TypeError(f"{type(self).__name__} defines no factor")

    def end(self) -> tuple[float, Unit] | None:
        """When the schedule is over, warmup included, where its config says so."""
        length = getattr(self, "length", None)
        return None if length is None else (self.warmup + length, self.unit)


WHOLE = -1.0  # a length that stands for the whole run; a number, so that no program depends on whether one is given


def steps_of(length: Array | None, scale: Array, whole: Array) -> Array:
    """A length in steps, at least one; None, or a negative number, is the whole run after the warmup."""
    length = jnp.asarray(WHOLE if length is None else length)
    return jnp.maximum(jnp.where(length < 0, whole, length * scale), 1.0)


CATALOGUE: Catalogue[Schedule] = Catalogue(
    "schedule",
    "regexp.schedules",
    "constant",
    "linear",
    "exponential",
    "inverse_time",
    "step",
    "cosine",
)
