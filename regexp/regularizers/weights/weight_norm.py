"""Weight normalisation: length and direction apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from regexp.core.component import component
from regexp.core.lazy import jnp
from regexp.regularizers.base import Array, Params, Regularizer, kernels, unit_axes, with_kernels


@component
class WeightNorm(Regularizer):
    """w = g v / ||v|| for each unit's incoming weights (conv: each output channel's); g and v are trained.

    At first v is the model's own draw and g = ||v||, so training starts from the same function. Penalties act on w.

    Convention: a norm for each unit or filter, biases apart (torch's parametrization with dim=0).
    Source: Salimans, Kingma 2016 (without their data-dependent initialisation).
    """

    def conflicts(self, experiment: Any) -> list[str]:
        shortening = [m.name for m in experiment.regularizers if _shortens(m)]
        found = [
            f"{name} changes v after the update, and w = g v/||v|| does not feel its length" for name in shortening
        ]
        if getattr(experiment.optimizer, "decay", 0) and experiment.optimizer.name == "adamw":
            found.append("warning: adamw decays v, and w = g v/||v|| does not feel its length; l2 acts on w")
        return found

    def weight_variables(self, params: Params) -> dict[str, dict[str, Array]]:
        return {name: {"gain": _norm(v)} for name, v in kernels(params).items()}

    def reparametrize(self, params: Params, own: Mapping[str, Mapping[str, Array]]) -> Params:
        w = {name: own[name]["gain"] * v / _norm(v) for name, v in kernels(params).items()}
        return with_kernels(params, w)


def _norm(v: Array) -> Array:
    """Length of each unit's incoming weights, of v's rank; the tiny number keeps the gradient at v = 0 finite."""
    return jnp.sqrt(jnp.sum(jnp.square(v), unit_axes(v), keepdims=True) + 1e-24)


def _shortens(method: Regularizer) -> bool:
    """Whether a method acts on the trained kernels past the gradient; proximal penalties have it as an option."""
    projects = method.overrides("project") and getattr(method, "proximal", True)
    return bool(projects or method.overrides("transform_update"))
