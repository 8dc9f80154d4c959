"""Functions shared by the methods that threshold or project weights after an update."""

from __future__ import annotations

from typing import Any

from regexp.core.lazy import jnp
from regexp.core.shapes import Array, Float, Scalar


def soft_threshold(w: Float[Array, "*shape"], threshold: Scalar | Float[Array, " ..."]) -> Float[Array, "*shape"]:
    """Return sign(w) max(|w| - threshold, 0), the proximal map of threshold * |w|."""
    return jnp.sign(w) * jnp.maximum(jnp.abs(w) - threshold, 0)


def step_size_conflicts(method: str, experiment: Any) -> list[str]:
    """What keeps a proximal step or projection from ending at the optimum of its objective.

    method: as the config calls it, for the message
    """
    optimizer = experiment.optimizer
    problems = []
    if not optimizer.has_step_sizes:
        problems.append(
            f"{method} needs the size of the optimizer's step for each weight; {optimizer.name} steps by the sign of "
            "the gradient and has none: choose sgd, momentum or adam"
        )
    changing = [other.name for other in experiment.regularizers if other.overrides("transform_gradient")]
    problems += [
        f"warning: where {name} changes the gradient, {method} no longer ends at the minimum of the data loss with it"
        for name in changing
    ]
    return problems
