"""A learning rate that stays."""

from __future__ import annotations

from typing import Any, Literal

from regexp.component import NonNegative, component
from regexp.lazy import jnp
from regexp.schedules.base import Schedule, in_steps


@component
class Constant(Schedule):
    """eps_k = eps_0."""

    def factor(self, step: Any, steps_per_epoch: Any, total_steps: Any) -> Any:
        return jnp.ones(())
