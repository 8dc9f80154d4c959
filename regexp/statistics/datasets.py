"""Several methods on several datasets: ranks, a test over datasets, and a mean that outliers do not move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from regexp.statistics.intervals import LEVEL, SEED
from regexp.statistics.paired import differences, rounding, sign_flip_p
from regexp.statistics.verdict import holm

RESAMPLES = 2_000


@dataclass(frozen=True)
class Aggregate:
    """An aggregate score with its stratified bootstrap interval."""

    value: float
    low: float
    high: float


def mean_ranks(scores: np.ndarray, smaller_is_better: bool = False) -> np.ndarray:
    """(methods,) from scores (datasets, methods): 1 is best on every dataset, ties share the mean of their ranks.

    Source: Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets" (JMLR, 2006).
    """
    from scipy.stats import rankdata

    signed = scores if smaller_is_better else -scores
    return np.mean([rankdata(_tied(row, rounding(row, row).max())) for row in signed], axis=0)


def wilcoxon_holm(scores: np.ndarray, baseline: int) -> np.ndarray:
    """(methods,) Holm-adjusted two-sided p of the signed-rank test against column `baseline`; NaN for itself.

    scores: (datasets, methods), one number per dataset (the mean over its seeds): seeds of one dataset are no
    independent datasets. All signs of the ranks are enumerated up to 16 datasets, ties or not; those that do not differ
    are left out. Instead of a post-hoc test of mean ranks, whose answer on two methods depends on the others.
    Source: Wilcoxon (1945); Demsar (2006); Benavoli et al., "Should We Really Use Post-Hoc Tests Based on
    Mean-Ranks?" (JMLR, 2016).
    """
    others = [i for i in range(scores.shape[1]) if i != baseline]
    found = np.full(scores.shape[1], np.nan)
    found[others] = holm([_wilcoxon_p(scores[:, i], scores[:, baseline]) for i in others])
    return found


def _wilcoxon_p(x: np.ndarray, y: np.ndarray) -> float:
    """Sign flips of the ranks of |x - y|; 1 where nothing differs."""
    from scipy.stats import rankdata

    d = differences(x, y)
    size = _tied(np.abs(d[d != 0]), rounding(x, y).max())
    return float(sign_flip_p(np.sign(d[d != 0]) * rankdata(size)))


def _tied(values: np.ndarray, slack: float) -> np.ndarray:
    """Values closer than this to the next smaller one become it: rounding to float32 breaks no tie."""
    levels = np.sort(values)
    levels = levels[np.diff(levels, prepend=-np.inf) > slack]
    return levels[np.searchsorted(levels, values, side="right") - 1]


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """The mean of the middle half along the last axis: a quarter of the values is cut at either end, rounded down.

    Source: Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS 2021).
    """
    x = np.sort(np.asarray(values, np.float64), axis=-1)
    cut = x.shape[-1] // 4
    return x[..., cut : x.shape[-1] - cut].mean(-1)


def iqm(scores: Sequence[Sequence[float]], level: float = LEVEL) -> Aggregate:
    """Return the interquartile mean over all seeds of all datasets; the bootstrap draws seeds within each dataset.

    scores: for each dataset its values over seeds, on one scale (accuracies, or normalised). Neither the order of the
    seeds nor that of the datasets changes the interval.
    Source: Agarwal et al. (2021), percentile intervals of a stratified bootstrap, 2000 resamples from a fixed seed.
    """
    strata = sorted((np.sort(np.asarray(values, np.float64)) for values in scores), key=lambda values: values.tolist())
    generator = np.random.default_rng(SEED)
    drawn = [values[generator.integers(0, len(values), (RESAMPLES, len(values)))] for values in strata]
    resampled = interquartile_mean(np.concatenate(drawn, axis=1))
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Aggregate(float(interquartile_mean(np.concatenate(strata))), float(low), float(high))
