"""Check that no example occurs in two splits, by counting exact duplicates between train, validation and test."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from regexp.checks.base import Finding, verdict
from regexp.checks.bench import Bench

TOLERATED = 0.01  # share of a split: datasets contain a few natural duplicates


def check(bench: Bench) -> Finding:
    """Report the largest share of duplicates over the pairs of splits of the first seed."""
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
        f"{worst:.1%} of a split also occurs in another ({counts})",
        f"0, at most {TOLERATED:.0%}",
        "remove the duplicates from the data, or put all copies of an example into one split" if worst else "",
        values | {"share": worst},
    )


def _numbers_of_contents(inputs: np.ndarray) -> np.ndarray:
    """Return a number for each row, equal for rows with equal bytes."""
    rows = np.ascontiguousarray(inputs)
    numbers: dict[bytes, int] = {}
    return np.asarray([numbers.setdefault(row.tobytes(), len(numbers)) for row in rows])
