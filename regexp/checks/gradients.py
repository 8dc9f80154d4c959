"""Check autodiff against finite differences in float64, for the training loss and for every penalty."""

from __future__ import annotations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import FIRST, WIDTHS, Bench, Derivative

TOLERANCE = 1e-5


def check(bench: Bench) -> Finding:
    """Compare the gradient of each term at some coordinates of every trained array; the largest relative error counts.

    The data loss includes every method that acts on it, such as batch norm, dropout masks and adversarial examples.
    """
    errors = _errors(bench, FIRST)
    # `not <=` also catches NaN.
    if not max(errors.values()) <= TOLERANCE:
        errors = _errors(bench, len(WIDTHS))
    worst = max(errors, key=lambda name: errors[name])
    fails = not errors[worst] <= TOLERANCE
    places = len(bench.derivatives(FIRST)["data"].automatic)
    return Finding(
        verdict(fails),
        ", ".join(f"{name} {error:.1e}" for name, error in errors.items()) + f" ({places} coordinates)",
        f"relative error at most {TOLERANCE:g}",
        f"the gradient of the {worst} term is wrong: compare its code with its formula" if fails else "",
        {"errors": errors, "coordinates": places},
    )


def _errors(bench: Bench, widths: int) -> dict[str, float]:
    return {name: relative_error(derivative) for name, derivative in bench.derivatives(widths).items()}


def relative_error(derivative: Derivative) -> float:
    """Return the largest relative error over coordinates, with the best width for each.

    |difference - autodiff| / max(|autodiff|, RMS of autodiff): the root mean square over coordinates keeps those with a
    tiny derivative from dominating.
    """
    scale = np.sqrt(np.mean(np.square(derivative.automatic)))
    errors = np.abs(derivative.differences - derivative.automatic).min(0)
    denominators = np.maximum(np.abs(derivative.automatic), max(scale, 1e-12))
    return float(np.max(errors / denominators))
