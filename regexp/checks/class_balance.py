"""Check that every class occurs in every split, with about the same share."""

from __future__ import annotations

import numpy as np
from scipy import stats

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench

RATIO = 10.0  # of the most to the least frequent class
# A split differs from the training split if their total variation distance is above MOVED and a chi-squared test finds
# a p-value below BY_CHANCE: small splits have large distances by chance alone.
MOVED, BY_CHANCE = 0.1, 1e-3


def check(bench: Bench) -> Finding:
    """Compare the class counts of the splits of the first seed."""
    if not bench.data.classes:
        return Finding("PASS", "no classes: this is a regression", "nothing")
    split, classes = bench.splits[bench.seeds[0]], len(bench.data.classes)
    counts = {
        name: np.bincount(bench.data.targets[rows], minlength=classes)
        for name in ("train", "validation", "test")
        if len(rows := getattr(split, name))
    }
    missing = [f"{bench.data.classes[k]} in {name}" for name, c in counts.items() for k in np.flatnonzero(c == 0)]
    ratio = counts["train"].max() / counts["train"][counts["train"] > 0].min()
    moved = {name: distance(counts["train"], split_counts) for name, split_counts in counts.items() if name != "train"}
    differing = [name for name, d in moved.items() if d > MOVED and chance(counts["train"], counts[name]) < BY_CHANCE]
    advice = ""
    if missing:
        advice = f"missing: {', '.join(missing[:5])}; stratify the splits by class, or make them larger"
    elif differing:
        differ = " and ".join(differing) + (" differ" if len(differing) > 1 else " differs")
        advice = f"{differ} from train: stratify the splits by class, or expect another accuracy there"
    elif ratio > RATIO:
        advice = "judge by balanced_accuracy instead of accuracy"
    farthest = max(moved.values(), default=0.0)
    return Finding(
        verdict(bool(missing), bool(differing) or ratio > RATIO),
        f"{len(missing)} classes missing; the most frequent class is {ratio:.1f} times as frequent as the rarest; "
        f"class shares differ from the training split's by {farthest:.2g}",
        f"none missing, a ratio of at most {RATIO:g}, a difference of at most {MOVED:g} unless chance explains it",
        advice,
        {"missing": missing, "ratio": float(ratio), "moved": moved} | {name: c.tolist() for name, c in counts.items()},
    )


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the total variation distance between two distributions, 1/2 sum |p - q|, from counts per class."""
    return float(np.abs(a / a.sum() - b / b.sum()).sum() / 2)


def chance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the p-value of a chi-squared test that two vectors of counts have one distribution."""
    table = np.stack([a, b])
    return float(stats.chi2_contingency(table[:, table.any(0)]).pvalue)
