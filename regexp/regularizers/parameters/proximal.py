"""Functions shared by the methods that threshold or project weights after an update."""

from __future__ import annotations

from typing import Any

from regexp.core.lazy import jnp
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Float, Scalar


def soft_threshold(w: Float[Array, "*shape"], threshold: Scalar | Float[Array, " ..."]) -> Float[Array, "*shape"]:
    """Return sign(w) max(|w| - threshold, 0), the proximal map of threshold * |w|."""
    return jnp.sign(w) * jnp.maximum(jnp.abs(w) - threshold, 0)


def step_size_conflicts(method: str, experiment: Any) -> list[Problem]:
    """Return the reasons why a proximal step or projection does not reach the optimum of its objective.

    method: the name of the method in the config, for the message
    """
    optimizer = experiment.optimizer
    problems = []
    if not optimizer.has_step_sizes:
        message = (
            f"{method} needs the size of the optimizer's step for each weight; {optimizer.name} steps by the sign of "
            "the gradient and has none: choose sgd, momentum or adam"
        )
        problems.append(Problem(message))
    changing = [
        regularizer.name for regularizer in experiment.regularizers if regularizer.overrides("transform_gradient")
    ]
    for name in changing:
        message = f"where {name} changes the gradient, {method} no longer ends at the minimum of the data loss with it"
        problems.append(Problem(message, "warning"))
    return problems
