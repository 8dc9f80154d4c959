"""From p values to a word: better, worse, equivalent or undecided, corrected for the number of rows."""

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
    bounds: Bounds = UNBOUNDED,
) -> list[Verdict]:
    """For each (row, baseline), both {seed: value}, a verdict; Holm over all that share a seed.

    Equivalence within `delta` is asked first: whoever says that delta does not matter is not told "better" for less.
    Source: the functions named; the order of questions is explained in docs/statistics.md.
    """
    comparisons = [compare(row, baseline, level, bounds) for row, baseline in pairs]
    made = [one for one in comparisons if one is not None]
    rule = _Rule(len(made), smaller_is_better, delta, alpha)
    p = np.asarray([one.p for one in made])
    equal = [_equivalence(*pair, delta) for pair, one in zip(pairs, comparisons, strict=True) if one is not None]
    found = iter(
        [
            _verdict(one, float(different), float(same), _reachable(p, i, one.least_p), rule)
            for i, (one, different, same) in enumerate(zip(made, holm(p), holm(equal), strict=True))
        ]
    )
    nothing = Verdict(None, "no pairs", "shares no seed with the baseline", math.nan, math.nan)
    return [nothing if one is None else next(found) for one in comparisons]


@dataclass(frozen=True)
class _Rule:
    """What every row of a table is judged by. rows: how many are."""

    rows: int
    smaller_is_better: bool
    delta: float
    alpha: float


def _equivalence(row: Mapping[int, float], baseline: Mapping[int, float], delta: float) -> float:
    seeds = sorted(row.keys() & baseline.keys())
    x, y = (np.asarray([one[seed] for seed in seeds]) for one in (row, baseline))
    return float(equivalence_p(differences(x, y), delta))


def _reachable(p: np.ndarray, index: int, least: float) -> float:
    """Holm's p of one row if its pairs all pointed one way and the other rows stayed as they are."""
    changed = p.copy()
    changed[index] = least
    return float(holm(changed)[index])


def _verdict(one: Comparison, p: float, equal: float, reachable: float, rule: _Rule) -> Verdict:
    enough = one.pairs >= LEAST_PAIRS
    if enough and equal <= rule.alpha:
        return Verdict(one, "equivalent", f"within {rule.delta:g}: two one-sided t tests", p, equal)
    if enough and p <= rule.alpha:
        word = "better" if (one.difference < 0) == rule.smaller_is_better else "worse"
        test = "exact sign-flip test" if one.pairs <= ENUMERATED else "sign-flip test, sampled"
        return Verdict(one, word, test, p, equal)
    reason = "neither different nor equivalent"
    if not enough or reachable > rule.alpha:
        of_rows = f" with {rule.rows} rows compared" if rule.rows > 1 else ""
        reach = "1 pair reaches" if one.pairs == 1 else f"{one.pairs} pairs reach"
        reason = f"{reach} p = {reachable:.3g} at best{of_rows}"
    return Verdict(one, "undecided", reason, p, equal, more_seeds(one, rule.rows, rule.delta, rule.alpha))


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
    """t(1 - alpha) + t(1 - beta) for 2, 3, ... pairs; every row of a report asks for the same."""
    freedom = np.arange(1, MOST_SEEDS)
    return special.stdtrit(freedom, 1 - alpha) + special.stdtrit(freedom, 1 - beta)
