"""Compare methods across datasets: mean ranks, a test over datasets, and the interquartile mean."""

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
    """Return the mean rank of each method, (methods,), from scores (datasets, methods).

    Rank 1 is the best; ties share the mean of their ranks.

    Source: Demsar, "Statistical Comparisons of Classifiers over Multiple Data Sets" (JMLR, 2006).
    """
    from scipy.stats import rankdata

    signed = scores if smaller_is_better else -scores
    return np.mean([rankdata(_tied(row, rounding(row, row).max())) for row in signed], axis=0)


def wilcoxon_holm(scores: np.ndarray, baseline: int) -> np.ndarray:
    """Return Holm-adjusted two-sided p of the signed-rank test against column `baseline`, (methods,); NaN for itself.

    scores: (datasets, methods), one number per dataset (the mean over its seeds), because the seeds of one dataset are
    not independent datasets

    All sign patterns of the ranks are enumerated up to 20 datasets, with ties; zero differences are dropped.
    A post-hoc test of mean ranks is not used, because its answer on two methods depends on the others.
    Source: Wilcoxon (1945); Demsar (2006); Benavoli et al., "Should We Really Use Post-Hoc Tests Based on
    Mean-Ranks?" (JMLR, 2016).
    """
    others = [i for i in range(scores.shape[1]) if i != baseline]
    p_values = np.full(scores.shape[1], np.nan)
    p_values[others] = holm([_wilcoxon_p(scores[:, i], scores[:, baseline]) for i in others])
    return p_values


def _wilcoxon_p(x: np.ndarray, y: np.ndarray) -> float:
    """Return the sign-flip p of the ranks of |x - y|; 1 if nothing differs."""
    from scipy.stats import rankdata

    d = differences(x, y)
    size = _tied(np.abs(d[d != 0]), rounding(x, y).max())
    return float(sign_flip_p(np.sign(d[d != 0]) * rankdata(size)))


def _tied(values: np.ndarray, slack: float) -> np.ndarray:
    """Tie values closer than `slack` to the next smaller one, so that rounding to float32 does not break ties."""
    levels = np.sort(values)
    levels = levels[np.diff(levels, prepend=-np.inf) > slack]
    return levels[np.searchsorted(levels, values, side="right") - 1]


def interquartile_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean of the middle half along the last axis: a quarter of the values (rounded down) is cut per end.

    Source: Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS 2021).
    """
    x = np.sort(np.asarray(values, np.float64), axis=-1)
    cut = x.shape[-1] // 4
    return x[..., cut : x.shape[-1] - cut].mean(-1)


def iqm(scores: Sequence[Sequence[float]], level: float = LEVEL) -> Aggregate:
    """Return the interquartile mean over all seeds of all datasets; the bootstrap resamples seeds within each dataset.

    scores: the values over seeds of each dataset, on a common scale (accuracies, or normalised)
    Source: Agarwal et al. (2021), percentile intervals of a stratified bootstrap, 2000 resamples from a fixed seed.
    """
    # Sorted, because the resampling must not depend on the order of seeds or datasets.
    strata = sorted((np.sort(np.asarray(values, np.float64)) for values in scores), key=lambda values: values.tolist())
    generator = np.random.default_rng(SEED)
    drawn = [values[generator.integers(0, len(values), (RESAMPLES, len(values)))] for values in strata]
    resampled = interquartile_mean(np.concatenate(drawn, axis=1))
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return Aggregate(float(interquartile_mean(np.concatenate(strata))), float(low), float(high))
