"""Every class stands in every split, in about the same share."""

from __future__ import annotations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench

RATIO = 10.0  # between the most and the least frequent class


def check(bench: Bench) -> Finding:
    """The counts of the classes, in each split of the first seed."""
    if not bench.data.classes:
        return Finding("PASS", "no classes: a regression", "nothing")
    split, classes = bench.splits[bench.seeds[0]], len(bench.data.classes)
    counts = {
        name: np.bincount(bench.data.targets[rows], minlength=classes)
        for name in ("train", "validation", "test")
        if len(rows := getattr(split, name))
    }
    missing = [f"{bench.data.classes[k]} in {name}" for name, c in counts.items() for k in np.flatnonzero(c == 0)]
    ratio = counts["train"].max() / counts["train"].min()
    advice = ""
    if missing:
        advice = f"missing: {', '.join(missing[:5])}; draw the splits by class, or make them larger"
    elif ratio > RATIO:
        advice = "look at balanced_accuracy and not at accuracy"
    return Finding(
        verdict(bool(missing), ratio > RATIO),
        f"{len(missing)} classes missing; the most frequent is {ratio:.1f} times the rarest",
        f"0 missing, at most {RATIO:g} times",
        advice,
        {"missing": missing, "ratio": float(ratio)} | {name: c.tolist() for name, c in counts.items()},
    )
