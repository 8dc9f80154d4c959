"""Switching a penalty on raises the loss by exactly the value recomputed from the weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench
from regexp.regularizers.base import matching

Array = Any
TOLERANCE = 1e-9  # relative, in float64
SMALLEST = 1e-6  # a penalty below is compared absolutely: the loss it is added to is rounded to 1e-16

# name -> (the method, a factor or strength of the layer, its kernel) -> value, in NumPy and float64
FORMULAS: dict[str, Callable[[Any, float, np.ndarray], float]] = {
    "l1": lambda m, a, w: a * np.sum(np.abs(w)),
    "l2": lambda m, a, w: a / 2 * np.sum(w**2),
    "elastic_net": lambda m, factor, w: factor * (m.l1 * np.sum(np.abs(w)) + m.l2 / 2 * np.sum(w**2)),
}


def check(bench: Bench) -> Finding:
    """At one set of weights; the loss is the one that the run's log calls total."""
    methods = [m for m in bench.experiment.regularizers if m.overrides("penalty")]
    if not methods:
        return Finding("PASS", "no penalty in this config", "nothing")
    rises, params = bench.rises(methods)
    pairs = zip(methods, rises, strict=True)
    values = {m.name: {"rise": rise, "recomputed": recomputed(m, params)} for m, rise in pairs}
    errors = {n: abs(v["rise"] - v["recomputed"]) / max(abs(v["recomputed"]), SMALLEST) for n, v in values.items()}
    worst = max(errors, key=lambda name: errors[name])
    fails = not errors[worst] <= TOLERANCE
    return Finding(
        verdict(fails),
        "; ".join(f"{name} raises it by {v['rise']:.6g}" for name, v in values.items()),
        "; ".join(f"{v['recomputed']:.6g}" for v in values.values()) + f", within {TOLERANCE:g} of it",
        f"{worst}'s penalty is not its formula: regexp show {worst}" if fails else "",
        values,
    )


def recomputed(method: Any, params: dict[str, dict[str, Array]]) -> float:
    """The method's formula over all kernels."""
    default = 1.0 if method.name == "elastic_net" else method.strength
    kernels = {name: np.asarray(layer["kernel"], np.float64) for name, layer in params.items() if "kernel" in layer}
    formula = FORMULAS[method.name]
    return float(sum(formula(method, matching(method.layers, name, default), w) for name, w in kernels.items()))
