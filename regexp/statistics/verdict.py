"""Turn p values into verdicts: better, worse, equivalent or undecided, corrected for the number of rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from regexp.core.lazy import special
from regexp.statistics.intervals import LEVEL, UNBOUNDED, Bounds
from regexp.statistics.paired import ENUMERATED, Comparison, compare, differences, equivalence_p

ALPHA = 0.05
LEAST_PAIRS = 6  # 5 pairs reach p = 0.0625 at best
POWER = 0.8  # of the tests that `more_seeds` plans
MOST_SEEDS = 1_000  # no plan beyond this number


@dataclass(frozen=True)
class Verdict:
    """The verdict on one row against the baseline.

    word: `better`, `worse`, `equivalent`, `undecided`, or `no pairs` if they share no seed
    reason: the test behind the word, or why the row is undecided
    p: Holm-adjusted p of the sign-flip test
    equivalence: Holm-adjusted p of the equivalence tests
    more_seeds: approximate number of further pairs that would decide an undecided row; None if unknown
    """

    comparison: Comparison | None
    word: str
    reason: str
    p: float
    equivalence: float
    more_seeds: int | None = None


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return Holm-adjusted p values, which bound the probability of any false rejection.

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
    bounds: Bounds = UNBOUNDED,
) -> list[Verdict]:
    """Return a verdict for each (row, baseline), both {seed: value}, with Holm's correction over all that share a seed.

    Equivalence within `delta` is tested first: a difference declared irrelevant is never called `better`.
    Source: the functions used; docs/statistics.md explains the order of the tests.
    """
    comparisons = [compare(row, baseline, level, bounds) for row, baseline in pairs]
    comparable = [comparison for comparison in comparisons if comparison is not None]
    rule = _Rule(len(comparable), smaller_is_better, delta, alpha)
    p = np.asarray([comparison.p for comparison in comparable])
    equal = [
        _equivalence(*pair, delta)
        for pair, comparison in zip(pairs, comparisons, strict=True)
        if comparison is not None
    ]
    judged = iter(
        [
            _verdict(comparison, float(different), float(same), _reachable(p, i, comparison.least_p), rule)
            for i, (comparison, different, same) in enumerate(zip(comparable, holm(p), holm(equal), strict=True))
        ]
    )
    nothing = Verdict(None, "no pairs", "shares no seed with the baseline", math.nan, math.nan)
    return [nothing if comparison is None else next(judged) for comparison in comparisons]


@dataclass(frozen=True)
class _Rule:
    """The criteria for all rows of a table; `rows` is their number."""

    rows: int
    smaller_is_better: bool
    delta: float
    alpha: float


def _equivalence(row: Mapping[int, float], baseline: Mapping[int, float], delta: float) -> float:
    seeds = sorted(row.keys() & baseline.keys())
    x, y = (np.asarray([values[seed] for seed in seeds]) for values in (row, baseline))
    return float(equivalence_p(differences(x, y), delta))


def _reachable(p: np.ndarray, index: int, least: float) -> float:
    """Return the Holm-adjusted p of a row if all its differences had one sign and the other rows were unchanged."""
    changed = p.copy()
    changed[index] = least
    return float(holm(changed)[index])


def _verdict(comparison: Comparison, p: float, equal: float, reachable: float, rule: _Rule) -> Verdict:
    enough = comparison.pairs >= LEAST_PAIRS
    if enough and equal <= rule.alpha:
        return Verdict(comparison, "equivalent", f"within {rule.delta:g}: two one-sided t tests", p, equal)
    if enough and p <= rule.alpha:
        word = "better" if (comparison.difference < 0) == rule.smaller_is_better else "worse"
        test = "exact sign-flip test" if comparison.pairs <= ENUMERATED else "sign-flip test, sampled"
        return Verdict(comparison, word, test, p, equal)
    reason = "neither different nor equivalent"
    if not enough or reachable > rule.alpha:
        of_rows = f" with {rule.rows} rows compared" if rule.rows > 1 else ""
        reach = "1 pair reaches" if comparison.pairs == 1 else f"{comparison.pairs} pairs reach"
        reason = f"{reach} p = {reachable:.3g} at best{of_rows}"
    return Verdict(comparison, "undecided", reason, p, equal, more_seeds(comparison, rule.rows, rule.delta, rule.alpha))


def more_seeds(comparison: Comparison, rows: int = 1, delta: float = 0.0, alpha: float = ALPHA) -> int | None:
    """Return about how many more pairs would decide with 80% power, if mean and spread of the differences persist.

    The smaller of what a t test of the difference and two one-sided tests within delta need, at level alpha / rows,
    but at least the number of pairs with which the sign-flip test can reach that level. None above MOST_SEEDS or
    without variation. This is a plan, not evidence: the observed difference is itself uncertain.
    Source: Lachin, "Introduction to Sample Size Determination and Power Analysis" (1981), solved with t quantiles.
    """
    if comparison.pairs < 2 or not comparison.std > 0:
        return None if comparison.pairs >= LEAST_PAIRS else LEAST_PAIRS - comparison.pairs
    least = max(LEAST_PAIRS, math.ceil(1 + math.log2(rows / alpha)))
    needed = [
        _pairs_needed(abs(comparison.difference) / comparison.std, alpha / rows / 2, 1 - POWER),
        _pairs_needed((delta - abs(comparison.difference)) / comparison.std, alpha / rows, (1 - POWER) / 2),
    ]
    total = min((n for n in needed if n is not None), default=None)
    return None if total is None else max(1, max(total, least) - comparison.pairs)


def _pairs_needed(effect: float, alpha: float, beta: float) -> int | None:
    """Return the smallest n with sqrt(n) effect >= t(1 - alpha) + t(1 - beta), both with n - 1 degrees of freedom."""
    n = np.arange(2, MOST_SEEDS + 1)
    enough = np.sqrt(n) * effect >= _quantiles(alpha, beta)
    return int(n[np.argmax(enough)]) if enough.any() else None


@cache
def _quantiles(alpha: float, beta: float) -> np.ndarray:
    """Return t(1 - alpha) + t(1 - beta) for 2, 3, ... pairs; cached, because all rows of a report need the same."""
    freedom = np.arange(1, MOST_SEEDS)
    return special.stdtrit(freedom, 1 - alpha) + special.stdtrit(freedom, 1 - beta)
