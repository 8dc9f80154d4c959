"""From p values to a word: better, worse, equivalent or undecided, corrected for the number of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import special

from regexp.statistics.intervals import LEVEL
from regexp.statistics.paired import Comparison, compare, equivalence_p

ALPHA = 0.05
LEAST_PAIRS = 6  # 5 pairs reach p = 0.0625 at best
POWER = 0.8
MOST_SEEDS = 1_000


@dataclass(frozen=True)
class Verdict:
    """One row against the baseline.

    word: better, worse, equivalent, undecided; or `no pairs` where the two share no seed
    reason: why it is undecided, or what the word rests on
    p: Holm's adjusted p of the sign-flip test; equivalence: Holm's adjusted p of the equivalence tests
    more_seeds: about so many more pairs would decide, for an undecided row; None where that cannot be told
    """

    comparison: Comparison | None
    word: str
    reason: str
    p: float
    equivalence: float
    more_seeds: int | None = None


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Adjusted p values that bound the chance of even one false rejection.

    In rising order, p_(i) -> max over j <= i of min(1, (m - j + 1) p_(j)).
    Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure" (Scandinavian J. of Statistics, 1979).
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    factors = len(values) - np.arange(len(values))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * values[order]))
    return adjusted


def verdicts(
    pairs: Sequence[tuple[Mapping[int, float], Mapping[int, float]]],
    smaller_is_better: bool,
    delta: float = 0.0,
    alpha: float = ALPHA,
    level: float = LEVEL,
) -> list[Verdict]:
    """For each (row, baseline), both {seed: value}, a verdict; Holm over all that share a seed.

    Equivalence within `delta` is asked first: whoever says that delta does not matter is not told "better" for less.
    Source: the functions named; the order of questions is explained in docs/statistics.md.
    """
    comparisons = [compare(row, baseline, level) for row, baseline in pairs]
    made = [(one, *pair) for one, pair in zip(comparisons, pairs, strict=True) if one is not None]
    different = iter(holm([one.p for one, *_ in made]))
    equal = iter(holm([_equivalence(row, baseline, delta) for _, row, baseline in made]))
    return [
        Verdict(None, "no pairs", "shares no seed with the baseline", math.nan, math.nan)
        if one is None
        else _verdict(one, float(next(different)), float(next(equal)), len(made), smaller_is_better, delta, alpha)
        for one in comparisons
    ]


def _equivalence(row: Mapping[int, float], baseline: Mapping[int, float], delta: float) -> float:
    differences = np.asarray([row[seed] - baseline[seed] for seed in sorted(row.keys() & baseline.keys())])
    return float(equivalence_p(differences, delta))


def _verdict(
    one: Comparison, p: float, equal: float, rows: int, smaller_is_better: bool, delta: float, alpha: float
) -> Verdict:
    least = min(1.0, rows * one.least_p)
    if one.pairs >= LEAST_PAIRS and equal <= alpha:
        return Verdict(one, "equivalent", f"within {delta:g}: two one-sided t tests", p, equal)
    if one.pairs >= LEAST_PAIRS and p <= alpha:
        word = "better" if (one.difference < 0) == smaller_is_better else "worse"
        return Verdict(one, word, "exact sign-flip test", p, equal)
    more = more_seeds(one, rows, delta, alpha)
    if one.pairs < LEAST_PAIRS or least > alpha:
        of_rows = f" with {rows} rows compared" if rows > 1 else ""
        reason = f"{one.pairs} pairs reach p = {least:.3g} at best{of_rows}"
        return Verdict(one, "undecided", reason, p, equal, more)
    return Verdict(one, "undecided", "neither different nor equivalent", p, equal, more)


def more_seeds(one: Comparison, rows: int = 1, delta: float = 0.0, alpha: float = ALPHA) -> int | None:
    """About how many more pairs would decide with 80% power, if mean and spread of the differences stay as they are.

    The smaller of what a t test of a difference and what two one-sided tests within delta need, at level alpha / rows,
    and at least the pairs at which the sign-flip test can reach that level. None above 1000 or without a spread.
    A plan, not evidence: the observed difference is itself uncertain.
    Source: Lachin, "Introduction to Sample Size Determination and Power Analysis" (1981), solved with t quantiles.
    """
    if one.pairs < 2 or not one.std > 0:
        return None if one.pairs >= LEAST_PAIRS else LEAST_PAIRS - one.pairs
    least = max(LEAST_PAIRS, math.ceil(1 + math.log2(rows / alpha)))
    needed = [
        _pairs_needed(abs(one.difference) / one.std, alpha / rows / 2, 1 - POWER),
        _pairs_needed((delta - abs(one.difference)) / one.std, alpha / rows, (1 - POWER) / 2),
    ]
    total = min((n for n in needed if n is not None), default=None)
    return None if total is None else max(1, max(total, least) - one.pairs)


def _pairs_needed(effect: float, alpha: float, beta: float) -> int | None:
    """The smallest n with sqrt(n) effect >= t(1 - alpha) + t(1 - beta), both with n - 1 degrees of freedom."""
    n = np.arange(2, MOST_SEEDS + 1)
    enough = np.sqrt(n) * effect >= _quantiles(alpha, beta)
    return int(n[np.argmax(enough)]) if enough.any() else None


@cache
def _quantiles(alpha: float, beta: float) -> np.ndarray:
    """t(1 - alpha) + t(1 - beta) for 2, 3, ... pairs; 0.5 ms, and every row of a report asks for the same."""
    freedom = np.arange(1, MOST_SEEDS)
    return special.stdtrit(freedom, 1 - alpha) + special.stdtrit(freedom, 1 - beta)
