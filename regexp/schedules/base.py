"""The contract of a schedule: the learning rate at step k, a pure function of traced numbers.

Nothing here branches in Python on a number, so another length or rate compiles nothing new.
"""

from __future__ import annotations

from typing import Any

from regexp.component import Catalogue, Component, NonNegative
from regexp.lazy import jnp

Array = Any


class Schedule(Component):
    """eps_k = learning_rate * factor(k). Fields every schedule has are declared by each: `warmup` (see `warmed`)."""

    def factor(self, step: Array, steps_per_epoch: Array, total_steps: Array) -> Array:
        """The factor at update `step` = 0, 1, ...; lengths arrive as traced numbers."""
        raise TypeError(f"{type(self).__name__} defines no factor")


def in_steps(length: Array, unit: str, steps_per_epoch: Array, total_steps: Array) -> Array:
    """A length given in `steps`, `epochs` or as a `fraction` of the run, in steps."""
    scale = {"steps": 1.0, "epochs": steps_per_epoch, "fraction": total_steps}[unit]
    return jnp.asarray(length, jnp.float32) * scale


CATALOGUE: Catalogue[Schedule] = Catalogue(
    "schedule", "regexp.schedules", "constant", "linear", "exponential", "inverse_time", "step", "cosine"
)
