"""Augmentation leaves the label statistics and the range of the inputs as they were."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench

TOLERATED = 0.05  # total variation between the classes' shares before and after
OUTSIDE = 1e-5  # rounding of pixels in [0, 1]


def check(bench: Bench) -> Finding:
    """Up to 256 training examples through the methods that act on inputs; those on targets mean to change them."""
    methods = tuple(m for m in bench.experiment.regularizers if m.acts_on() == "inputs")
    if not methods:
        return Finding("PASS", "no augmentation in this config", "nothing")
    seed = bench.seeds[0]
    experiment = replace(bench.experiment, regularizers=methods)
    inputs, after, before = bench.augmented(experiment, seed, bench.splits[seed].train)
    outside = _outside(inputs, bench.data.is_image)
    shift = float(np.abs(after.mean(0) - before.mean(0)).sum() / 2)
    fails = not (outside <= OUTSIDE and shift <= TOLERATED)
    return Finding(
        verdict(fails),
        f"{outside:.2g} beyond the valid range; label statistics move by {shift:.2g}",
        f"at most {OUTSIDE:g} and {TOLERATED:g}",
        f"it is {' or '.join(m.name for m in methods)}: --only augmentation, with one at a time" if fails else "",
        {"outside": outside, "label_shift": shift},
    )


def _outside(inputs: np.ndarray, is_image: bool) -> float:
    """How far the worst number lies beyond [0, 1]; a table has no range, but its numbers are finite."""
    if not np.all(np.isfinite(inputs)):
        return float("inf")
    return float(max(0.0, -inputs.min(), inputs.max() - 1)) if is_image else 0.0
