"""What an ablation compares: weighted sums of the metrics of its arms, an arm being a set of methods."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

Contrast = tuple[str, tuple[str, ...], dict[frozenset[str], int]]  # family, methods, {arm: weight}


def contributions(methods: Sequence[str]) -> list[Contrast]:
    """Every contrast; its value is the weighted sum of the arms.

    together: all - none; leave one out: all - (all without m); alone: (none with m) - none;
    interaction: ab - a - b + none, which needs the arms of every two
    """
    everything, nothing = frozenset(methods), frozenset[str]()
    found: list[Contrast] = [("leave one out", (m,), {everything: 1, everything - {m}: -1}) for m in methods]
    found += [("alone", (m,), {frozenset({m}): 1, nothing: -1}) for m in methods]
    if len(methods) > 1:
        found.insert(0, ("together", tuple(methods), {everything: 1, nothing: -1}))
    found += [
        ("interaction", (a, b), {frozenset({a, b}): 1, frozenset({a}): -1, frozenset({b}): -1, nothing: 1})
        for a, b in combinations(methods, 2)
    ]
    return found
