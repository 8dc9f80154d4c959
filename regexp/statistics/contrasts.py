"""Define the contrasts of an ablation: weighted sums of the metrics of its arms. An arm is a set of methods."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

Contrast = tuple[str, tuple[str, ...], dict[frozenset[str], int]]  # family, methods, {arm: weight}


def contributions(methods: Sequence[str]) -> list[Contrast]:
    """Return all contrasts of an ablation; the value of a contrast is the weighted sum over its arms.

    together: all - none
    leave one out: all - (all without m)
    alone: m - none
    interaction: ab - a - b + none, which needs an arm for every pair
    """
    everything, nothing = frozenset(methods), frozenset[str]()
    contrasts: list[Contrast] = [("leave one out", (m,), {everything: 1, everything - {m}: -1}) for m in methods]
    contrasts += [("alone", (m,), {frozenset({m}): 1, nothing: -1}) for m in methods]
    if len(methods) > 1:
        contrasts.insert(0, ("together", tuple(methods), {everything: 1, nothing: -1}))
    contrasts += [
        ("interaction", (a, b), {frozenset({a, b}): 1, frozenset({a}): -1, frozenset({b}): -1, nothing: 1})
        for a, b in combinations(methods, 2)
    ]
    return contrasts
