"""Estimate the best score of a smaller search from one longer search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def expected_best(values: Sequence[float] | np.ndarray, smaller_is_better: bool = False) -> np.ndarray:
    """Return the expected best validation score of 1, 2, ..., N independent trials, (N,), from the scores of N trials.

    E[best of k] = sum_i C(i - 1, k - 1) / C(N, k) v_(i), v in rising order: the mean over all subsets of size k, which
    is unbiased for every k. The plug-in estimator of Dodge et al. draws with replacement and is biased downwards.
    Requires independent trials (random search): a search that learns from earlier trials has no such subsets.
    Source: Tang et al., "Showing Your Work Doesn't Always Work" (ACL 2020), after Dodge et al., "Show Your Work"
    (EMNLP 2019).
    """
    v = np.sort(np.asarray(values, np.float64))
    v = -v[::-1] if smaller_is_better else v
    n = len(v)
    best = np.empty(n)
    for k in range(1, n + 1):
        i = np.arange(n, k, -1)  # weight of rank i - 1 over that of rank i is (i - k) / (i - 1)
        weights = k / n * np.cumprod(np.concatenate([[1.0], (i - k) / (i - 1)]))
        best[k - 1] = weights @ v[::-1][: n - k + 1]
    return -best if smaller_is_better else best
