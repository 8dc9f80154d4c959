"""The learning-rate range test (Smith 2017). Several checks train at a rate that it finds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from regexp.checks.bench import Bench, Job

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 100
SMOOTHING = 0.8  # weight of the past in the exponential mean
BEGUN = 0.1  # share of the total drop after which the loss counts as falling
FALL = 0.02  # smallest drop that counts, as a share of the initial loss


@dataclass(frozen=True)
class RangeTest:
    """The curves of a range test and the interval of learning rates in which the loss falls.

    rates: (steps,) the rising learning rates
    smooth: (steps,) the smoothed loss, averaged over seeds
    losses: (seeds, steps) the loss of each batch
    low, high: the rates between which the loss falls
    explodes: the rate at which the loss exceeds its initial value again; None if it never does
    needed: the sum of the rates up to `low`
    never_falls: whether no rate lowers the loss
    """

    rates: np.ndarray
    smooth: np.ndarray
    losses: np.ndarray
    low: float
    high: float
    explodes: float | None
    needed: float
    never_falls: bool

    @property
    def middle(self) -> float:
        """The geometric mean of `low` and `high`."""
        return float(np.sqrt(self.low * self.high))


@cache
def range_test(bench: Bench) -> RangeTest:
    """Train one rising schedule per seed, with the configured regularizers."""
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    trainings = bench.train([Job(bench.experiment, seed, rates) for seed in bench.seeds])
    return read(rates, np.stack([training.losses for training in trainings]))


def read(rates: np.ndarray, losses: np.ndarray) -> RangeTest:
    """Find the interval in the loss curves (seeds, steps)."""
    smooth = np.mean([smoothed(curve) for curve in losses], 0)
    calm = len(rates) // 10  # the first rates are too small to change the loss: they show its level and its noise
    first = float(np.mean(losses[:, :calm]))
    noise = float(np.std(smooth[:calm])) if np.isfinite(smooth[calm - 1]) else 0.0
    bottom = int(np.argmin(np.where(np.isfinite(smooth), smooth, np.inf)))
    fall = first - smooth[bottom] if np.isfinite(smooth[bottom]) else 0.0
    # The comparisons are negated so that NaN counts as not fallen, and as exploded.
    not_fallen = np.flatnonzero(~(smooth[:bottom] < first - BEGUN * fall))
    begun = min(int(not_fallen[-1]) + 1, bottom) if len(not_fallen) else 0
    exploded = np.flatnonzero(~(smooth[bottom:] <= max(1.1 * first, first + 4 * noise))) + bottom
    return RangeTest(
        rates=rates,
        smooth=smooth,
        losses=losses,
        low=float(rates[begun]),
        high=float(rates[bottom]),
        explodes=float(rates[exploded[0]]) if len(exploded) else None,
        needed=float(rates[: begun + 1].sum()),
        never_falls=not fall > FALL * first,
    )


def smoothed(losses: np.ndarray) -> np.ndarray:
    """Return the bias-corrected exponential means of losses (steps,); infinite from the first non-finite loss on."""
    mean, means = 0.0, []
    for k, loss in enumerate(losses, 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * (loss if np.isfinite(loss) else np.inf)
        means.append(mean / (1 - SMOOTHING**k))
    return np.asarray(means)
