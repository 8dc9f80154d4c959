"""Weight normalisation: train the length and the direction of weights separately."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regexp.core.component import component
from regexp.core.lazy import jnp
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Float
from regexp.regularizers.base import Params, Regularizer, kernels, unit_axes, with_kernels


@component
class WeightNorm(Regularizer):
    """w = g v / ||v|| for each unit's incoming weights (conv: each output channel's); g and v are trained.

    Initially v is the model's draw and g = ||v||, so training starts from the same function. Penalties act on w.

    Convention: one norm for each unit or filter, without biases (torch's parametrization with dim=0).
    Source: Salimans, Kingma 2016 (without their data-dependent initialisation).
    """

    def conflicts(self, experiment: Any) -> list[Problem]:
        shortening = [m.name for m in experiment.regularizers if _shortens(m)]
        problems = [
            Problem(f"{name} changes v after the update, and w = g v/||v|| does not depend on the length of v")
            for name in shortening
        ]
        if getattr(experiment.optimizer, "decay", 0) and experiment.optimizer.name == "adamw":
            message = "adamw decays v, and w = g v/||v|| does not depend on the length of v; l2 acts on w"
            problems.append(Problem(message, "warning"))
        return problems

    def weight_variables(self, params: Params) -> Params:
        return {name: {"gain": _norm(v)} for name, v in kernels(params).items()}

    def reparametrize(self, params: Params, variables: Mapping[str, Mapping[str, Array]]) -> Params:
        w = {name: variables[name]["gain"] * v / _norm(v) for name, v in kernels(params).items()}
        return with_kernels(params, w)


def _norm(v: Float[Array, "*inputs units"]) -> Float[Array, " ..."]:
    """Return the length of each unit's incoming weights, with v's rank; 1e-24 keeps the gradient at v = 0 finite."""
    return jnp.sqrt(jnp.sum(jnp.square(v), unit_axes(v), keepdims=True) + 1e-24)


def _shortens(method: Regularizer) -> bool:
    """Return whether a method changes the trained kernels outside the gradient; proximal penalties do so on request."""
    projects = method.overrides("project") and getattr(method, "proximal", True)
    return bool(projects or method.overrides("transform_update"))
