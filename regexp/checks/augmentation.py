"""Check that augmentation keeps the label distribution and the range of the inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench

TOLERATED = 0.05  # total variation distance between the class shares before and after
OUTSIDE = 1e-5  # allows for the rounding of pixels in [0, 1]


def check(bench: Bench) -> Finding:
    """Pass up to 256 training examples through the methods that act on inputs and compare the label distributions.

    Methods that act on targets are left out: changing the labels is their purpose.
    """
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
        f"{outside:.2g} beyond the valid range; the label distribution moves by {shift:.2g}",
        f"at most {OUTSIDE:g} and {TOLERATED:g}",
        f"caused by {' or '.join(m.name for m in methods)}: run --only augmentation with one of them at a time"
        if fails
        else "",
        {"outside": outside, "label_shift": shift},
    )


def _outside(inputs: np.ndarray, is_image: bool) -> float:
    """Return how far the most extreme pixel lies outside [0, 1]: 0 for a table, infinity for a non-finite input."""
    if not np.all(np.isfinite(inputs)):
        return float("inf")
    return float(max(0.0, -inputs.min(), inputs.max() - 1)) if is_image else 0.0
