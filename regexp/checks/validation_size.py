"""Check that the validation set is large enough to resolve differences of interest, by its standard error."""

from __future__ import annotations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench

ASSUMED = 0.9  # accuracy at which the standard error is computed
OF_INTEREST = 0.05  # a difference in accuracy; for a regression relative to its mean squared error
FEWEST = 10  # examples; fewer resolve no difference


def check(bench: Bench) -> Finding:
    """Compute the standard error for n validation examples.

    sqrt(p (1 - p)/n) for an accuracy p; sqrt(2/n), relative, for the mean squared error of Gaussian residuals.
    """
    n = len(bench.splits[bench.seeds[0]].validation)
    if n == 0:
        advice = "set dataset.validation: without it no setting can be selected"
        return Finding("WARN", "no validation examples", "at least one", advice)
    metric, spread = ("accuracy", np.sqrt(ASSUMED * (1 - ASSUMED))) if bench.data.classes else ("MSE", np.sqrt(2))
    error = float(spread / np.sqrt(n))
    needed = int(np.ceil((2 * spread / OF_INTEREST) ** 2))
    unit = f"at {ASSUMED:g} accuracy" if bench.data.classes else "of the mean squared error"
    return Finding(
        verdict(n < FEWEST, 2 * error > OF_INTEREST),
        f"standard error {error:.3f} {unit} with {n} examples",
        f"two standard errors at most {OF_INTEREST:g}: {needed} examples",
        f"a difference in {metric} below {2 * error:.2g} is noise; raise dataset.validation, or use more seeds"
        if 2 * error > OF_INTEREST
        else "",
        {"standard_error": error, "examples": n, "needed": needed},
    )
