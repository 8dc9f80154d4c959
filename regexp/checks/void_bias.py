"""Check that no bias precedes a normalization that subtracts it again: its gradient is zero and it has no effect."""

from __future__ import annotations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import FIRST, Bench

TOLERANCE = 1e-8  # relative to the gradient of the same layer's kernel, in float64


def check(bench: Bench) -> Finding:
    """Compare the gradient norm of each bias with that of its layer's kernel; the smallest ratio counts."""
    layers = bench.derivatives(FIRST)["data"].gradient["model"]
    ratios = {name: _norm(g["bias"]) / _norm(g["kernel"]) for name, g in layers.items() if _is_learning(g)}
    void = [name for name, ratio in ratios.items() if ratio < TOLERANCE]
    smallest = f"; the smallest gradient norm is {min(ratios.values()):.1e} of its kernel's" if ratios else ""
    return Finding(
        verdict(bool(void)),
        f"{len(void)} of {len(ratios)} biases have no effect{smallest}",
        f"none below {TOLERANCE:g}",
        f"remove the bias of {', '.join(void)}: the normalization behind it subtracts it" if void else "",
        {"void": void, "ratios": ratios},
    )


def _is_learning(gradient: dict[str, np.ndarray]) -> bool:
    return "bias" in gradient and _norm(gradient["kernel"]) > 0


def _norm(x: np.ndarray) -> float:
    return float(np.linalg.norm(np.ravel(x)))
