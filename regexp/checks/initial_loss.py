"""Before training the loss is that of knowing nothing: log K for K classes, the targets' variance for a regression."""

from __future__ import annotations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench

# Outputs of variance v add about v/2 to a cross entropy and v to a squared error; he draws them with v = 2 at most.
TOLERATED, TOO_FAR = 2.0, 8.0  # v


def check(bench: Bench) -> Finding:
    """The mean over seeds at the config's own first weights, against the loss of outputs that are all zero."""
    asked = [(seed, bench.first(seed), bench.splits[seed].train) for seed in bench.seeds]
    losses = np.asarray([np.mean(found) for _, found in bench.predict(asked)])
    mean, spread, expected = float(np.mean(losses)), float(np.std(losses, ddof=1)), ignorance(bench)
    per_variance = 0.5 if bench.spec.loss == "cross_entropy" else 1.0
    tolerated, too_far = TOLERATED * per_variance, TOO_FAR * per_variance
    off = abs(mean - expected)
    bad = not off <= too_far
    return Finding(
        verdict(bad, off > tolerated),
        f"{mean:.3f} +- {spread:.3f} ({len(losses)} seeds)",
        f"{expected:.3f} = {_formula(bench)}, within {tolerated:g} (fails beyond {too_far:g})",
        "the first outputs are too large: a smaller model.initializer, or dataset.preprocess: [standardize]"
        if bad or off > tolerated
        else "",
        {"losses": losses.tolist(), "mean": mean, "std": spread, "expected": expected},
    )


def ignorance(bench: Bench) -> float:
    """The loss of a model that knows nothing: all outputs zero, targets standardised."""
    if bench.data.task == "regression":
        return 1.0
    return float(np.log(bench.spec.outputs)) if bench.spec.loss == "cross_entropy" else 1 / bench.spec.outputs


def _formula(bench: Bench) -> str:
    if bench.data.task == "regression":
        return "the variance of the standardised target"
    return f"log {bench.spec.outputs}" if bench.spec.loss == "cross_entropy" else f"1/{bench.spec.outputs}"
