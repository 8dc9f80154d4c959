"""The interface of a schedule: the learning rate at step k, a pure function of traced numbers.

No Python branch depends on a number, so a new length or rate does not recompile.
"""

from __future__ import annotations

from typing import Literal

from regexp.core.component import Catalogue, Component, NonNegative, component
from regexp.core.lazy import jnp
from regexp.core.shapes import Array, Float, Scalar

Unit = Literal["steps", "epochs", "fraction"]


@component
class Schedule(Component):
    """eps_k = eps_0 * ramp(k) * factor(k - warmup), k = 0, 1, ...

    warmup: length over which the rate rises linearly from eps_0/w to eps_0: ramp = min((k + 1)/w, 1); 0 is none
    unit: unit of the schedule's lengths: steps, epochs (default) or fraction of the run
    """

    warmup: NonNegative = 0.0
    unit: Unit = "epochs"

    def rate(self, step: Scalar, steps_per_epoch: Scalar, total_steps: Scalar) -> Float[Array, ""]:
        """Return eps_k / eps_0 at update `step`."""
        scale = {"steps": 1.0, "epochs": steps_per_epoch, "fraction": total_steps}[self.unit]
        warmup = jnp.asarray(self.warmup * scale, jnp.float32)
        ramp = jnp.minimum((step + 1) / jnp.maximum(warmup, 1.0), 1.0)
        after = jnp.maximum(step - warmup, 0.0)
        return ramp * self.factor(after, jnp.asarray(scale, jnp.float32), total_steps - warmup)

    def factor(self, step: Float[Array, ""], scale: Float[Array, ""], steps: Scalar) -> Float[Array, ""]:
        """Return the factor `step` updates after the warmup.

        scale: steps in one unit of the schedule's lengths
        steps: steps from the end of the warmup to the end of the run
        """
        raise TypeError(f"{type(self).__name__} defines no factor")

    def end(self) -> tuple[float, Unit] | None:
        """Return the length of the schedule with its warmup, and its unit; None if it has no fixed length."""
        length = getattr(self, "length", None)
        return None if length is None else (self.warmup + length, self.unit)


# Stands for the length of the run. None would change the structure of the program, a number does not.
ENTIRE_RUN = -1.0


def steps_of(length: Scalar | None, scale: Scalar, steps: Scalar) -> Float[Array, ""]:
    """Return a length in steps, at least 1; None or a negative number is `steps`, the run after the warmup."""
    length = jnp.asarray(ENTIRE_RUN if length is None else length)
    return jnp.maximum(jnp.where(length < 0, steps, length * scale), 1.0)


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
