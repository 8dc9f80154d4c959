"""Compare two settings on the seeds they share, from their differences by seed only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from regexp.core.lazy import special
from regexp.statistics.intervals import LEVEL, SEED, UNBOUNDED, Bounds, Interval, t_interval

ENUMERATED = 20  # largest number of pairs whose 2^n sign patterns are enumerated; above, they are sampled
AT_ONCE = 2**22  # maximum number of subset sums in memory; more rows are processed in parts
FLIPS = 9_999
ROUNDING = 1e-12  # relative tolerance between sums of the same numbers in different order
FLOAT32 = 2.0**-22  # relative tolerance between float32 roundings of the same metric


@dataclass(frozen=True)
class Comparison:
    """A comparison of `a` with `b` on their shared seeds.

    pairs: number of shared seeds
    correlation: Pearson's, of a with b over the seeds; NaN below three pairs or without variation
    difference, std: mean and standard deviation of a - b
    interval: 95% interval of the mean difference: the shifts that the sign-flip test does not reject; t below 6 pairs
    improvement: probability that a > b on a seed, ties count half; the caller knows whether larger is better
    p: two-sided p of the sign-flip test
    least_p: the smallest p possible with this number of pairs
    """

    pairs: int
    correlation: float
    difference: float
    std: float
    interval: Interval
    improvement: float
    p: float
    least_p: float


def compare(
    a: Mapping[int, float], b: Mapping[int, float], level: float = LEVEL, bounds: Bounds = UNBOUNDED
) -> Comparison | None:
    """Compare {seed: value} with {seed: value} on the seeds in both; return None if they share none.

    bounds: the range of the values; the interval is clipped to the differences possible within it

    Source: Bouthillier et al., "Accounting for Variance in Machine Learning Benchmarks" (MLSys 2021) for pairing
    and P(a > b); Fisher (1935) for the sign-flip test.
    """
    seeds = sorted(a.keys() & b.keys())
    if not seeds:
        return None
    x, y = (np.asarray([values[seed] for seed in seeds], np.float64) for values in (a, b))
    d = differences(x, y)
    return Comparison(
        pairs=len(d),
        correlation=correlation(x, y),
        difference=float(d.mean()),
        std=float(d.std(ddof=1)) if len(d) > 1 else float("nan"),
        interval=difference_interval(d, level).within((bounds[0] - bounds[1], bounds[1] - bounds[0])),
        improvement=probability_of_improvement(d),
        p=float(sign_flip_p(d, float(rounding(x, y).sum()))),
        least_p=least_p(len(d)),
    )


def differences(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return x - y, with 0 where they differ only by float32 rounding."""
    d = x - y
    return np.where(np.abs(d) < rounding(x, y), 0.0, d)


def rounding(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the float32 rounding error of each x - y."""
    return FLOAT32 * np.maximum(np.abs(x), np.abs(y))


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return Pearson's correlation; NaN without variation or below three values, as two always lie on a line.

    If it is high, pairing removes variance that both settings share (split, initial weights, batch order).
    Source: Pearson (1895).
    """
    u, v = x - x.mean(), y - y.mean()
    scale = np.sqrt(np.sum(u * u) * np.sum(v * v))
    return float(np.clip(np.sum(u * v) / scale, -1, 1)) if scale > 0 and len(x) > 2 else float("nan")


def probability_of_improvement(differences: np.ndarray) -> float:
    """Return the share of positive differences; zeros count half.

    Source: Bouthillier et al. (2021), P(A > B) estimated on pairs.
    """
    return float(np.mean(differences > 0) + np.mean(differences == 0) / 2)


def least_p(pairs: int) -> float:
    """Return the smallest two-sided p of the sign-flip test: 2 of 2^n sign patterns are as extreme as equal signs.

    Above ENUMERATED pairs, where patterns are sampled, 1 / (FLIPS + 1).
    """
    return min(1.0, 2.0 ** (1 - pairs)) if pairs <= ENUMERATED else 1 / (FLIPS + 1)


def sign_flip_p(differences: np.ndarray, slack: float = 0.0) -> np.ndarray:
    """Return the two-sided p of H0 "the differences are symmetric about 0" along the last axis: (..., n) -> (...).

    slack: sums closer than this are tied; accuracies k/N have many ties, which float32 rounding would break

    p = share of sign patterns s with |sum s_i d_i| >= |sum d_i|: all 2^n up to 20 pairs; above, 9999 patterns from a
    fixed seed and p = (1 + count) / (1 + 9999), which is valid for any number of patterns. Sampled patterns are applied
    to sorted differences, so p depends neither on the order of the seeds nor on which setting comes first.
    Source: Fisher, "The Design of Experiments" (1935), section 21; Phipson and Smyth, "Permutation P-values Should
    Never Be Zero" (2010) for the sampled form.
    """
    d = np.asarray(differences, np.float64)
    n = d.shape[-1]
    if n <= ENUMERATED:
        rows = [_patterns_as_extreme(row, slack) for row in d.reshape(int(np.prod(d.shape[:-1])), n)]
        return np.reshape(rows, d.shape[:-1]) / 2.0**n
    d, _ = _ordered(d)
    total, size = d.sum(-1, keepdims=True), np.abs(d).sum(-1, keepdims=True)
    flipped = np.abs(total - 2 * _subset_sums(d))  # the sum under a pattern, from the sum of the subset it flips
    count = np.sum(flipped >= np.abs(total) - np.maximum(ROUNDING * size, slack), axis=-1)
    return (1 + count) / (1.0 + FLIPS)


def _patterns_as_extreme(d: np.ndarray, slack: float) -> int:
    """Return how many of the 2^n sign patterns have |sum s_i d_i| >= |sum d_i|, including ties.

    The signed sums of each half are enumerated; for each sum of the first half, binary search counts the sums of the
    second half that take the total past the bound. That is 2^(n/2) log work instead of 2^n.
    """
    bound = abs(d.sum()) - max(ROUNDING * np.abs(d).sum(), slack)
    if bound <= 0:
        return int(2 ** len(d))
    first, second = (half.sum() - 2 * _subset_sums(half) for half in np.array_split(d, 2))
    second.sort()
    above = len(second) - np.searchsorted(second, bound - first, side="left")
    below = np.searchsorted(second, -bound - first, side="right")
    return int(above.sum() + below.sum())


def _ordered(d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the differences, negated if their sum is negative and sorted on the last axis, and the sign (..., 1)."""
    sign = np.where(np.sort(d, axis=-1).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    return np.sort(sign * d, axis=-1), sign


def difference_interval(differences: np.ndarray, level: float = LEVEL) -> Interval:
    """Return the interval of the mean difference; it excludes 0 if and only if the sign-flip test rejects at 1 - level.

    Source: Hartigan (1969), see `sign_flip_interval`; Student (1908) with too few pairs for that test.
    """
    n = len(differences)
    if n < 2:
        return Interval(float("nan"), float("nan"), "none")
    exact = (1 - level) / 2 * 2.0**n >= 1
    ordered = np.sort(differences)  # rounding depends on the order of summation; the order of the seeds must not matter
    low, high = sign_flip_interval(ordered, level) if exact else t_interval(ordered, level)
    return Interval(float(low), float(high), "sign flips" if exact else "t")


def sign_flip_interval(differences: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Return the shifts that one-sided sign-flip tests at (1 - level) / 2 do not reject: (..., n) -> (low, high).

    Flipping a subset changes the sum by twice the sum of the subset, so the number of subset means below a shift
    decides whether it is rejected: the ends are the k-th smallest and largest of all 2^n - 1 subset means, with
    k = floor(2^n (1 - level) / 2). The coverage is at least `level` for symmetric differences of any shape, for any
    n >= 6. Above ENUMERATED pairs, FLIPS subsets are sampled.
    Source: Hartigan, "Using Subsample Values as Typical Values" (JASA, 1969).
    """
    d = np.asarray(differences, np.float64)
    n = d.shape[-1]
    rows = d.reshape(int(np.prod(d.shape[:-1])), n)
    parts = np.array_split(rows, max(1, len(rows) * 2 ** min(n, ENUMERATED) // AT_ONCE))
    ends = [_subset_mean_quantiles(part, level) for part in parts]
    low, high = (np.concatenate([part[end] for part in ends]).reshape(d.shape[:-1]) for end in (0, 1))
    return low, high


def _subset_mean_quantiles(d: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the k-th smallest and largest subset mean of each row (rows, n)."""
    n = d.shape[-1]
    sign = np.ones((len(d), 1))
    if n > ENUMERATED:
        d, sign = _ordered(d)
    means = _subset_sums(d)[..., _sizes(n) > 0] / _sizes(n)[_sizes(n) > 0]
    k = int((1 - level) / 2 * (2**n if n <= ENUMERATED else FLIPS + 1))
    means.partition([k - 1, means.shape[-1] - k], axis=-1)
    ends = np.stack([means[..., k - 1], means[..., -k]], axis=-1)
    low, high = np.sort(sign * ends, axis=-1).T
    return low, high


def _subset_sums(d: np.ndarray) -> np.ndarray:
    """Return the sum of every subset, the empty one first: (..., n) -> (..., subsets); above 20 pairs, of a sample."""
    n = d.shape[-1]
    if n > ENUMERATED:
        return d @ _sample(n).T
    sums = np.zeros((*d.shape[:-1], 1))
    for i in range(n):
        sums = np.concatenate([sums, sums + d[..., i : i + 1]], axis=-1)
    return sums


@cache
def _sizes(n: int) -> np.ndarray:
    """Return the number of differences in each subset, (subsets,)."""
    return _sample(n).sum(1) if n > ENUMERATED else _subset_sums(np.ones(n))


@cache
def _sample(n: int) -> np.ndarray:
    """Return the sampled subsets as (subsets, n) of 0 and 1."""
    return np.random.default_rng(SEED).integers(0, 2, (FLIPS, n)).astype(np.float64)


def equivalence_p(differences: np.ndarray, delta: float) -> np.ndarray:
    """Return p of H0 "the mean difference is at least delta away from 0": the larger p of two one-sided t tests.

    differences: (..., n) -> p (...). Without any variation, p is 0 if the differences lie within delta, else 1.
    Source: Schuirmann, "A Comparison of the Two One-Sided Tests Procedure and the Power Approach" (1987).
    """
    d = np.asarray(differences, np.float64)
    n = d.shape[-1]
    center = d.mean(-1)
    error = d.std(-1, ddof=1) / np.sqrt(n) if n > 1 else np.full(d.shape[:-1], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = special.stdtr(n - 1, (np.abs(center) - delta) / error) if n > 1 else np.ones(d.shape[:-1])
    certain = np.where(np.abs(center) <= delta, 0.0, 1.0)
    return np.where(np.ptp(d, axis=-1) == 0, certain, p) if n > 1 else p
