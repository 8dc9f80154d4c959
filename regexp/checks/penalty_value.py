"""Check that switching a penalty on raises the loss by the penalty's value, recomputed from the weights in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench
from regexp.regularizers.base import Params, matching

TOLERANCE = 1e-9  # relative, in float64
SMALLEST = 1e-6  # smaller penalties are compared absolutely: the loss to which they are added is rounded to 1e-16

# Method name -> function of (method, strength or factor of the layer, kernel) that returns the layer's penalty.
FORMULAS: dict[str, Callable[[Any, float, np.ndarray], float]] = {
    "l1": lambda m, a, w: a * np.sum(np.abs(w)),
    "l2": lambda m, a, w: a / 2 * np.sum(w**2),
    "elastic_net": lambda m, factor, w: factor * (m.l1 * np.sum(np.abs(w)) + m.l2 / 2 * np.sum(w**2)),
}


def check(bench: Bench) -> Finding:
    """Compare at one set of weights; the loss is the sum of the data loss and all penalties."""
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
        "; ".join(f"{name} raises the loss by {v['rise']:.6g}" for name, v in values.items()),
        "; ".join(f"{v['recomputed']:.6g}" for v in values.values()) + f", relative error at most {TOLERANCE:g}",
        f"the penalty of {worst} differs from its formula: see regexp show {worst}" if fails else "",
        values,
    )


def recomputed(method: Any, params: Params) -> float:
    """Return the method's penalty, summed over all kernels in float64 by its entry in `FORMULAS`."""
    default = 1.0 if method.name == "elastic_net" else method.strength
    kernels = {name: np.asarray(layer["kernel"], np.float64) for name, layer in params.items() if "kernel" in layer}
    formula = FORMULAS[method.name]
    return float(sum(formula(method, matching(method.layers, name, default), w) for name, w in kernels.items()))
