"""The learning-rate range test (Smith 2017), which several checks take their rate from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from regexp.checks.bench import Bench, Job

LOWEST, HIGHEST, STEPS = 1e-6, 10.0, 100
SMOOTHING = 0.8  # weight of the past in the curve
BEGUN = 0.1  # share of the whole fall at which the loss counts as falling
FALL = 0.02  # smallest fall, a share of the first loss


@dataclass(frozen=True)
class RangeTest:
    """rates (steps,), smooth (steps,): the smoothed loss, mean over seeds; losses (seeds, steps): each batch's.

    low, high: where the loss falls
    explodes: where it is above its beginning again; None: nowhere
    needed: sum of the rates until it falls
    never: whether it falls nowhere
    """

    rates: np.ndarray
    smooth: np.ndarray
    losses: np.ndarray
    low: float
    high: float
    explodes: float | None
    needed: float
    never: bool

    @property
    def middle(self) -> float:
        """The geometric mean of the interval's ends."""
        return float(np.sqrt(self.low * self.high))


@cache
def range_test(bench: Bench) -> RangeTest:
    """One rising schedule per seed, at the config's own regularizers."""
    rates = np.geomspace(LOWEST, HIGHEST, STEPS)
    trained = bench.train([Job(bench.experiment, seed, rates) for seed in bench.seeds])
    return read(rates, np.stack([one.losses for one in trained]))


def read(rates: np.ndarray, losses: np.ndarray) -> RangeTest:
    """The interval from the curves (seeds, steps)."""
    smooth = np.mean([smoothed(one) for one in losses], 0)
    calm = len(rates) // 10  # rates too small to change anything
    first = float(np.mean(losses[:, :calm]))
    noise = float(np.std(smooth[:calm])) if np.isfinite(smooth[calm - 1]) else 0.0
    bottom = int(np.argmin(np.where(np.isfinite(smooth), smooth, np.inf)))
    fall = first - smooth[bottom] if np.isfinite(smooth[bottom]) else 0.0
    high_up = np.flatnonzero(~(smooth[:bottom] < first - BEGUN * fall))
    begun = min(int(high_up[-1]) + 1, bottom) if len(high_up) else 0
    above = np.flatnonzero(~(smooth[bottom:] <= max(1.1 * first, first + 4 * noise))) + bottom
    return RangeTest(
        rates=rates,
        smooth=smooth,
        losses=losses,
        low=float(rates[begun]),
        high=float(rates[bottom]),
        explodes=float(rates[above[0]]) if len(above) else None,
        needed=float(rates[: begun + 1].sum()),
        never=not fall > FALL * first,
    )


def smoothed(losses: np.ndarray) -> np.ndarray:
    """Exponential means without the pull of their start; infinite once a loss is not finite."""
    mean, found = 0.0, []
    for k, loss in enumerate(losses, 1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * (loss if np.isfinite(loss) else np.inf)
        found.append(mean / (1 - SMOOTHING**k))
    return np.asarray(found)
