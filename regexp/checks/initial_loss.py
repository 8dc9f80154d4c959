"""Check that the loss before training is at chance level: log K for K classes, the target variance for a regression."""

from __future__ import annotations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench

# Outputs of variance v add about v/2 to a cross entropy and v to a squared error; `he` gives v = 2 at most.
TOLERATED, TOO_FAR = 2.0, 8.0  # v above which the check warns, and fails


def check(bench: Bench) -> Finding:
    """Compare the loss of the configured initialization, averaged over seeds, with the loss of all-zero outputs."""
    requests = [(seed, bench.first(seed), bench.splits[seed].train) for seed in bench.seeds]
    losses = np.asarray([np.mean(example_losses) for _, example_losses in bench.predict(requests)])
    mean, spread, expected = float(np.mean(losses)), float(np.std(losses, ddof=1)), chance_loss(bench)
    per_variance = 0.5 if bench.spec.loss == "cross_entropy" else 1.0
    tolerated, too_far = TOLERATED * per_variance, TOO_FAR * per_variance
    deviation = abs(mean - expected)
    fails = not deviation <= too_far  # `not <=` also catches NaN
    return Finding(
        verdict(fails, deviation > tolerated),
        f"{mean:.3f} +- {spread:.3f} ({len(losses)} seeds)",
        f"{expected:.3f} = {_formula(bench)}, within {tolerated:g} (fails beyond {too_far:g})",
        "the initial outputs are too large: use a smaller model.initializer, or dataset.preprocess: [standardize]"
        if fails or deviation > tolerated
        else "",
        {"losses": losses.tolist(), "mean": mean, "std": spread, "expected": expected},
    )


def chance_loss(bench: Bench) -> float:
    """Return the chance-level loss: that of all-zero outputs, with standardized targets for a regression."""
    if bench.data.task == "regression":
        return 1.0
    return float(np.log(bench.spec.outputs)) if bench.spec.loss == "cross_entropy" else 1 / bench.spec.outputs


def _formula(bench: Bench) -> str:
    if bench.data.task == "regression":
        return "the variance of the standardized target"
    return f"log {bench.spec.outputs}" if bench.spec.loss == "cross_entropy" else f"1/{bench.spec.outputs}"
