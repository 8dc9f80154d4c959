"""Summarize values over seeds, with an interval of their mean: t below ten values, BCa bootstrap from ten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from regexp.core.lazy import special

LEVEL = 0.95
BOOTSTRAP_FROM = 10  # number of values; resampling fewer is unreliable
RESAMPLES = 9_999
Bounds = tuple[float, float]
UNBOUNDED: Bounds = (float("-inf"), float("inf"))
SEED = 20_241_121  # fixed, so that the same values give the same interval


@dataclass(frozen=True)
class Interval:
    """A confidence interval and its method: `t`, `BCa`, `sign flips` or `none` (fewer than two values)."""

    low: float
    high: float
    method: str

    def within(self, bounds: Bounds) -> Interval:
        """Clip the interval to the possible values, which does not change its coverage."""
        low, high = bounds
        return Interval(min(max(self.low, low), high), max(min(self.high, high), low), self.method)


@dataclass(frozen=True)
class Summary:
    """Summary statistics of n values.

    std: divides by n - 1; NaN for one value
    interval: of the mean
    """

    n: int
    mean: float
    std: float
    least: float
    greatest: float
    interval: Interval


def summarize(values: Sequence[float] | np.ndarray, level: float = LEVEL, bounds: Bounds = UNBOUNDED) -> Summary:
    """Summarize one or more finite values; the interval is clipped to `bounds`, the range of possible values.

    Source: Student (1908) for the t interval, Efron (1987) for BCa; see `mean_interval`.
    """
    x = np.sort(np.asarray(values, np.float64))
    std = float(x.std(ddof=1)) if len(x) > 1 else float("nan")
    return Summary(len(x), float(x.mean()), std, float(x.min()), float(x.max()), mean_interval(x, level).within(bounds))


def mean_interval(values: Sequence[float] | np.ndarray, level: float = LEVEL) -> Interval:
    """Return the interval of the mean: t below ten values, BCa from ten (see `bootstrap_interval`)."""
    x = np.asarray(values, np.float64)
    if len(x) < 2:
        return Interval(float("nan"), float("nan"), "none")
    low, high = t_interval(x, level) if len(x) < BOOTSTRAP_FROM else bootstrap_interval(x, level)
    return Interval(float(low), float(high), "t" if len(x) < BOOTSTRAP_FROM else "BCa")


def t_interval(values: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Return mean +- t(n - 1) std / sqrt(n) along the last axis: values (..., n) -> (low, high), each (...).

    Source: Student, "The Probable Error of a Mean" (Biometrika, 1908).
    """
    n = values.shape[-1]
    x = np.sort(values, axis=-1)  # rounding depends on the order of summation; the order of the seeds must not matter
    center = x.mean(-1)
    half = special.stdtrit(n - 1, (1 + level) / 2) * x.std(-1, ddof=1) / np.sqrt(n)
    return center - half, center + half


def bootstrap_interval(values: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Return the outer ends of the t interval and of BCa widened for the sample size: (..., n) -> (low, high).

    BCa follows skewness but is too short for heavy tails; t is the opposite. docs/statistics.md has measurements.
    Source: Efron (1987), Hesterberg (2015), Student (1908); taking the outer ends is our own.
    """
    bca, t = bca_interval(values, widened(level, values.shape[-1])), t_interval(values, level)
    return np.minimum(bca[0], t[0]), np.maximum(bca[1], t[1])


def widened(level: float, n: int) -> float:
    """Return the level at which a bootstrap interval is as wide as the t interval for normal values.

    The spread of a bootstrap is too small by sqrt((n - 1) / n), and it uses normal quantiles instead of those of t:
    level' = 1 - 2 Phi(-sqrt(n / (n - 1)) t(n - 1)).
    Source: Hesterberg, "What Teachers Should Know About the Bootstrap" (The American Statistician, 2015), the
    "expanded" bootstrap interval.
    """
    t = special.stdtrit(n - 1, (1 + level) / 2)
    return float(1 - 2 * special.ndtr(-np.sqrt(n / (n - 1)) * t))


def bca_interval(values: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Return the bias-corrected and accelerated bootstrap interval of the mean: (..., n) -> (low, high).

    z0 = Phi^-1(share of resampled means below the mean, ties half), a = sum d^3 / (6 (sum d^2)^1.5) with d the mean
    minus the jackknifed means; the ends are the quantiles Phi(z0 + (z0 + z) / (1 - a (z0 + z))) of the resampled means.
    The values are sorted before resampling, so the interval does not depend on their order.
    Source: Efron, "Better Bootstrap Confidence Intervals" (JASA, 1987), 9999 resamples from a fixed seed.
    """
    x = np.sort(np.asarray(values, np.float64), axis=-1)
    n = x.shape[-1]
    center = x.mean(-1)
    resampled = _weights(n) @ np.moveaxis(x, -1, 0).reshape(n, -1)  # (resamples, rows)
    resampled.sort(axis=0)
    deviation = (x - center[..., None]).reshape(-1, n)
    lows, highs = zip(
        *(_corrected(resampled[:, i], center.flat[i], d, level) for i, d in enumerate(deviation)), strict=True
    )
    return np.reshape(lows, center.shape), np.reshape(highs, center.shape)


def _corrected(resampled: np.ndarray, center: float, deviation: np.ndarray, level: float) -> tuple[float, float]:
    """Return both ends from sorted resampled means; the mean itself if all values are equal."""
    slack = 1e-12 * np.abs(deviation).max()  # means that differ only by rounding are tied
    if slack == 0 or not len(deviation):
        return center, center
    below = np.searchsorted(resampled, [center - slack, center + slack]).sum() / 2 / len(resampled)
    bias = special.ndtri(below)
    acceleration = np.sum(deviation**3) / (6 * np.sum(deviation**2) ** 1.5)
    z = bias + special.ndtri([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(resampled, special.ndtr(bias + z / (1 - acceleration * z)))
    return float(low), float(high)


@cache
def _weights(n: int) -> np.ndarray:
    """Return how often each resample draws each value, over n: (resamples, n); the product with x gives the means."""
    drawn = np.random.default_rng(SEED).integers(0, n, (RESAMPLES, n))
    counts = np.zeros((RESAMPLES, n))
    np.add.at(counts, (np.arange(RESAMPLES)[:, None], drawn), 1 / n)
    return counts
