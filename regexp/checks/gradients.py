"""Finite differences against autodiff in float64: the data loss as it is trained, and every penalty."""

from __future__ import annotations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import FIRST, WIDTHS, Bench, Derivative

TOLERANCE = 1e-5


def check(bench: Bench) -> Finding:
    """The largest relative error over coordinates of every trained array, chosen by the seed.

    The data loss goes through every method that acts on it: batch norm, masks, adversarial examples.
    """
    errors = _errors(bench, FIRST)
    if not max(errors.values()) <= TOLERANCE:
        errors = _errors(bench, len(WIDTHS))
    worst = max(errors, key=lambda name: errors[name])
    fails = not errors[worst] <= TOLERANCE
    places = len(bench.derivatives(FIRST)["data"].automatic)
    return Finding(
        verdict(fails),
        ", ".join(f"{name} {error:.1e}" for name, error in errors.items()) + f" ({places} coordinates)",
        f"relative error at most {TOLERANCE:g}",
        f"the gradient of the {worst} term is wrong: compare its formula with its code" if fails else "",
        {"errors": errors, "coordinates": places},
    )


def _errors(bench: Bench, widths: int) -> dict[str, float]:
    return {name: relative_error(found) for name, found in bench.derivatives(widths).items()}


def relative_error(found: Derivative) -> float:
    """max |difference - derivative| / max(|derivative|, their root mean square), by the best width at each place."""
    scale = np.sqrt(np.mean(np.square(found.automatic)))
    errors = np.abs(found.differences - found.automatic).min(0)
    below = np.maximum(np.abs(found.automatic), max(scale, 1e-12))
    return float(np.max(errors / below))
