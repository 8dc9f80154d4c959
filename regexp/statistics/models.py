"""Two trained models compared on the same test examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regexp.core.lazy import special


@dataclass(frozen=True)
class McNemar:
    """The numbers of examples that only the first or only the second model gets right, and the exact two-sided p."""

    only_first: int
    only_second: int
    p: float


def mcnemar(first: np.ndarray, second: np.ndarray) -> McNemar:
    """Return the exact McNemar test of two boolean arrays (n,): whether each model is correct on each example.

    p = min(1, 2 P(Binomial(b + c, 1/2) <= min(b, c))). It compares these two trained models on this test set,
    not the settings that produced them: another seed is another model.
    Source: McNemar (Psychometrika, 1947); Dietterich, "Approximate Statistical Tests for Comparing Supervised
    Classification Learning Algorithms" (1998).
    """
    b, c = int(np.sum(first & ~second)), int(np.sum(second & ~first))
    p = min(1.0, 2 * float(special.bdtr(min(b, c), b + c, 0.5))) if b + c else 1.0
    return McNemar(b, c, p)
