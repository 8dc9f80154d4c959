"""Every class stands in every split, in about the same share."""

from __future__ import annotations

import numpy as np
from scipy import stats

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench

RATIO = 10.0  # between the most and the least frequent class
MOVED, BY_CHANCE = 0.1, 1e-3  # total variation of a split's shares from training's; where a chi-squared test allows it


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
    ratio = counts["train"].max() / counts["train"][counts["train"] > 0].min()
    moved = {name: distance(counts["train"], own) for name, own in counts.items() if name != "train"}
    far = [name for name, d in moved.items() if d > MOVED and chance(counts["train"], counts[name]) < BY_CHANCE]
    advice = ""
    if missing:
        advice = f"missing: {', '.join(missing[:5])}; draw the splits by class, or make them larger"
    elif far:
        advice = f"{' and '.join(far)} other than train: draw the splits by class, or expect another accuracy there"
    elif ratio > RATIO:
        advice = "look at balanced_accuracy and not at accuracy"
    farthest = max(moved.values(), default=0.0)
    return Finding(
        verdict(bool(missing), bool(far) or ratio > RATIO),
        f"{len(missing)} classes missing; the most frequent is {ratio:.1f} times the rarest; "
        f"shares differ from train's by {farthest:.2g}",
        f"0 missing, at most {RATIO:g} times, at most {MOVED:g} where that is no chance",
        advice,
        {"missing": missing, "ratio": float(ratio), "moved": moved} | {name: c.tolist() for name, c in counts.items()},
    )


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Total variation between the shares that counts make."""
    return float(np.abs(a / a.sum() - b / b.sum()).sum() / 2)


def chance(a: np.ndarray, b: np.ndarray) -> float:
    """How likely counts at least as different are, where both are drawn alike."""
    table = np.stack([a, b])
    return float(stats.chi2_contingency(table[:, table.any(0)]).pvalue)
