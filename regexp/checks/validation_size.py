"""The validation set is large enough to tell differences of interest: the standard error that it leaves."""

from __future__ import annotations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench

ASSUMED = 0.9  # accuracy at which the standard error is computed
OF_INTEREST = 0.05  # a difference; a regression's is a share of its mean squared error
FEWEST = 10  # examples: below, no difference shows at all


def check(bench: Bench) -> Finding:
    """sqrt(p (1 - p)/n) of accuracy p; of a mean squared error, with Gaussian errors, the share sqrt(2/n)."""
    n = len(bench.splits[bench.seeds[0]].validation)
    if n == 0:
        return Finding("WARN", "no validation examples", "some", "set dataset.validation, else nothing can be chosen")
    what, spread = ("accuracy", np.sqrt(ASSUMED * (1 - ASSUMED))) if bench.data.classes else ("MSE", np.sqrt(2))
    error = float(spread / np.sqrt(n))
    needed = int(np.ceil((2 * spread / OF_INTEREST) ** 2))
    unit = f"at {ASSUMED:g} accuracy" if bench.data.classes else "of the mean squared error"
    return Finding(
        verdict(n < FEWEST, 2 * error > OF_INTEREST),
        f"standard error {error:.3f} {unit} with {n} examples",
        f"two of them at most {OF_INTEREST:g}: {needed} examples",
        f"a difference in {what} below {2 * error:.2g} means nothing; raise dataset.validation, or use more seeds"
        if 2 * error > OF_INTEREST
        else "",
        {"standard_error": error, "examples": n, "needed": needed},
    )
