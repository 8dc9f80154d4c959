"""No bias stands before a normalisation that subtracts it again: its gradient is zero, it only costs memory."""

from __future__ import annotations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import FIRST, Bench

TOLERANCE = 1e-8  # of the gradient of the same layer's kernel, in float64


def check(bench: Bench) -> Finding:
    """The norm of each bias's gradient over that of its layer's kernel; the smallest one."""
    layers = bench.derivatives(FIRST)["data"].gradient["model"]
    ratios = {name: _norm(g["bias"]) / _norm(g["kernel"]) for name, g in layers.items() if _is_learning(g)}
    void = [name for name, ratio in ratios.items() if ratio < TOLERANCE]
    smallest = f"; the smallest gradient is {min(ratios.values()):.1e} of its kernel's" if ratios else ""
    return Finding(
        verdict(bool(void)),
        f"{len(void)} of {len(ratios)} biases have no effect{smallest}",
        f"none below {TOLERANCE:g}",
        f"leave the bias of {', '.join(void)} out: what comes behind subtracts it" if void else "",
        {"void": void, "ratios": ratios},
    )


def _is_learning(gradient: dict[str, np.ndarray]) -> bool:
    return "bias" in gradient and _norm(gradient["kernel"]) > 0


def _norm(x: np.ndarray) -> float:
    return float(np.linalg.norm(np.ravel(x)))
