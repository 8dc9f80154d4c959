"""No example stands in two splits: exact duplicates of inputs between train, validation and test, counted."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench

TOLERATED = 0.01  # of the smaller split: data sets have a few twins of their own


def check(bench: Bench) -> Finding:
    """The largest share over pairs of splits of the first seed."""
    split = bench.splits[bench.seeds[0]]
    numbers = _numbers_of_contents(bench.inputs)
    parts = {name: numbers[getattr(split, name)] for name in ("train", "validation", "test")}
    values, worst = {}, 0.0
    for a, b in combinations(parts, 2):
        shared = int(np.isin(parts[b], parts[a]).sum())
        values[f"{b} in {a}"] = shared
        worst = max(worst, shared / max(len(parts[b]), 1))
    counts = ", ".join(f"{count} of {name}" for name, count in values.items())
    return Finding(
        verdict(worst > TOLERATED, worst > 0),
        f"{worst:.1%} of a split stands in another too ({counts})",
        f"0, at most {TOLERATED:.0%}",
        "remove the duplicates from the data, or put each group of copies into one split" if worst else "",
        values | {"share": worst},
    )


def _numbers_of_contents(inputs: np.ndarray) -> np.ndarray:
    """The same number for the same bytes."""
    rows = np.ascontiguousarray(inputs)
    known: dict[bytes, int] = {}
    return np.asarray([known.setdefault(row.tobytes(), len(known)) for row in rows])
