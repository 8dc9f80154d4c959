"""Every number against SciPy, statsmodels or all cases counted one by one, to 1e-10."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from regexp import statistics as own
from regexp.statistics import intervals
from regexp.statistics.intervals import RESAMPLES, SEED

TIGHT = {"rtol": 1e-10, "atol": 1e-10}


def draws(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.3, 1, n)


@pytest.mark.parametrize("n", [2, 3, 9])
def test_t_interval_is_scipys(n):
    x = draws(n)
    expected = stats.t.interval(0.95, n - 1, x.mean(), stats.sem(x))
    np.testing.assert_allclose(own.t_interval(x), expected, **TIGHT)
    found = own.summarize(x)
    assert found.interval.method == "t"
    np.testing.assert_allclose([found.interval.low, found.interval.high], expected, **TIGHT)
    np.testing.assert_allclose([found.mean, found.std], [np.mean(x), np.std(x, ddof=1)], **TIGHT)
    assert (found.n, found.least, found.greatest) == (n, x.min(), x.max())


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_bca_is_scipys_on_the_same_resamples(level):
    # 16 multiples of 1/1024: their means are exact, so that both see the same ties
    x = np.sort(np.random.default_rng(3).integers(-1000, 4000, 16)) / 1024  # resampled in this order
    expected = stats.bootstrap((x,), np.mean, n_resamples=RESAMPLES, method="BCa", confidence_level=level,
                               random_state=np.random.default_rng(SEED))  # fmt: skip
    np.testing.assert_allclose(own.bca_interval(x, level), expected.confidence_interval, **TIGHT)


@pytest.mark.parametrize("sign", [1, -1])
def test_from_ten_values_the_interval_has_the_outer_ends_of_bca_and_t(sign):
    """Of skewed values BCa is the outer one at the long tail, t at the other."""
    x = np.sort(sign * np.round(1024 * np.random.default_rng(0).gamma(1, size=16))) / 1024  # as above
    bca = stats.bootstrap((x,), np.mean, n_resamples=RESAMPLES, method="BCa", random_state=np.random.default_rng(SEED),
                          confidence_level=intervals.widened(0.95, 16)).confidence_interval  # fmt: skip
    t = stats.t.interval(0.95, 15, x.mean(), stats.sem(x))
    found = own.summarize(x).interval
    expected = (t[0], bca.high) if sign > 0 else (bca.low, t[1])
    np.testing.assert_allclose((found.low, found.high), expected, **TIGHT)
    assert found.method == "BCa"


def test_bca_of_several_rows_is_that_of_each():
    x = np.random.default_rng(1).gamma(2, size=(5, 12))
    together = np.transpose(own.bca_interval(x))
    np.testing.assert_allclose(together, [own.bca_interval(row) for row in x], **TIGHT)


def test_the_widened_level_makes_a_normal_quantile_a_t_quantile():
    for n in (10, 20, 100):
        level = intervals.widened(0.95, n)
        short = np.sqrt((n - 1) / n) * stats.norm.ppf((1 + level) / 2)
        np.testing.assert_allclose(short, stats.t.ppf(0.975, n - 1), **TIGHT)


@pytest.mark.parametrize("n", [2, 6, 11])
def test_exact_sign_flips_are_scipys_permutations(n):
    d = draws(n, n)
    expected = stats.permutation_test((d,), np.sum, permutation_type="samples", n_resamples=np.inf, vectorized=False)
    np.testing.assert_allclose(own.sign_flip_p(d), expected.pvalue, **TIGHT)


@pytest.mark.parametrize("n", [16, 17, 20])
def test_up_to_twenty_pairs_are_enumerated(n):
    d = np.round(draws(n, 2), 1)  # with ties
    signs = 1 - 2 * (np.arange(2**n, dtype=np.int32)[:, None] >> np.arange(n, dtype=np.int32) & 1).astype(np.int8)
    sums = np.abs(signs @ d)
    np.testing.assert_allclose(own.sign_flip_p(d), np.mean(sums >= abs(d.sum()) - 1e-9), **TIGHT)
    low, high = own.sign_flip_interval(d)
    assert own.sign_flip_p(d - (low - 1e-6)) <= 0.05 < own.sign_flip_p(d - (low + 1e-6))
    assert own.sign_flip_p(d - (high + 1e-6)) <= 0.05 < own.sign_flip_p(d - (high - 1e-6))


@pytest.mark.parametrize("n", [12, 17, 21, 30])
def test_neither_the_order_of_the_seeds_nor_that_of_the_settings_changes_p(n):
    d = draws(n, 3) + 0.5
    generator = np.random.default_rng(0)
    orders = [generator.permutation(n) for _ in range(20)]
    p = {float(own.sign_flip_p(sign * d[order])) for order in orders for sign in (1, -1)}
    assert max(p) - min(p) < 1e-12
    low, high = own.sign_flip_interval(d)
    for order in orders:
        np.testing.assert_allclose(own.sign_flip_interval(d[order]), (low, high), **TIGHT)
        np.testing.assert_allclose(own.sign_flip_interval(-d[order]), (-high, -low), **TIGHT)


def test_intervals_of_bounded_metrics_stay_inside():
    values = [1.0, 0.99, 1.0, 0.2, 1.0, 1.0]
    assert own.summarize(values).interval.high > 1
    inside = own.summarize(values, bounds=(0.0, 1.0)).interval
    assert inside.high == 1
    assert inside.low == own.summarize(values).interval.low
    x, y = dict(enumerate([1.0, 1.0, 1.0, 0.1])), dict(enumerate([0.0, 0.0, 0.1, 0.0]))
    assert own.compare(x, y).interval.high > 1
    assert own.compare(x, y, bounds=(0.0, 1.0)).interval.high == 1


def test_more_than_twenty_pairs_are_sampled():
    d = draws(16, 2)
    signs = 1 - 2.0 * (np.arange(2**16)[:, None] >> np.arange(16) & 1)
    np.testing.assert_allclose(own.sign_flip_p(d), np.mean(np.abs(signs @ d) >= abs(d.sum()) * (1 - 1e-12)), **TIGHT)
    more = draws(24, 2)
    assert own.sign_flip_p(more) == own.sign_flip_p(more.copy())
    enough = stats.permutation_test((more,), np.sum, permutation_type="samples", n_resamples=99_999, vectorized=False,
                                    random_state=np.random.default_rng(0))  # fmt: skip
    np.testing.assert_allclose(own.sign_flip_p(more), enough.pvalue, atol=0.012)  # 4 standard errors of 9999 flips
    assert own.sign_flip_p(np.full(30, 0.1)) == own.least_p(30) == 1e-4


@pytest.mark.parametrize("n", [6, 8, 11])
def test_the_interval_holds_the_shifts_that_the_test_does_not_reject(n):
    d = draws(n, n)
    low, high = own.sign_flip_interval(d)
    assert np.all(own.sign_flip_p(d - [[low + 1e-9], [high - 1e-9]]) > 0.05)
    assert np.all(own.sign_flip_p(d - [[low - 1e-9], [high + 1e-9]]) <= 0.05)


def test_the_interval_of_ten_pairs_from_all_subsets():
    d = draws(10)
    means = sorted(np.mean(some) for size in range(1, 11) for some in combinations(d, size))
    np.testing.assert_allclose(own.sign_flip_interval(d), (means[24], means[-25]), **TIGHT)


def test_correlation_and_equivalence_are_scipys():
    x, y = draws(9, 1), draws(9, 2)
    np.testing.assert_allclose(own.correlation(x, y), stats.pearsonr(x, y).statistic, **TIGHT)
    d = x - y
    for delta in (0.1, 2.0):
        lower = stats.ttest_1samp(d, -delta, alternative="greater").pvalue
        upper = stats.ttest_1samp(d, delta, alternative="less").pvalue
        np.testing.assert_allclose(own.equivalence_p(d, delta), max(lower, upper), **TIGHT)


@pytest.mark.parametrize(("only_first", "only_second"), [(0, 0), (1, 0), (3, 3), (9, 2), (40, 77)])
def test_mcnemar_is_scipys_binomial_test(only_first, only_second):
    first = np.repeat([True, False, True, False], [only_first, only_second, 5, 4])
    second = np.repeat([False, True, True, False], [only_first, only_second, 5, 4])
    expected = stats.binomtest(only_first, only_first + only_second).pvalue if only_first + only_second else 1.0
    found = own.mcnemar(first, second)
    assert (found.only_first, found.only_second) == (only_first, only_second)
    np.testing.assert_allclose(found.p, expected, **TIGHT)


def test_statsmodels_agrees():
    reason = "statsmodels is no dependency; it is one more oracle where it is installed"
    tables = pytest.importorskip("statsmodels.stats.contingency_tables", reason=reason)
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason=reason)
    weightstats = pytest.importorskip("statsmodels.stats.weightstats", reason=reason)
    p = np.random.default_rng(0).uniform(0, 0.2, 9)
    np.testing.assert_allclose(own.holm(p), multitest.multipletests(p, method="holm")[1], **TIGHT)
    first, second = np.random.default_rng(1).random((2, 60)) < 0.7
    table = [[np.sum(first & second), np.sum(first & ~second)], [np.sum(~first & second), np.sum(~first & ~second)]]
    np.testing.assert_allclose(own.mcnemar(first, second).p, tables.mcnemar(table, exact=True).pvalue, **TIGHT)
    x, y = draws(9, 1), draws(9, 2)
    np.testing.assert_allclose(own.equivalence_p(x - y, 0.8), weightstats.ttost_paired(x, y, -0.8, 0.8)[0], **TIGHT)


def test_holm_by_its_definition():
    np.testing.assert_allclose(own.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02], **TIGHT)
    np.testing.assert_allclose(own.holm([0.6, 0.9]), [1, 1], **TIGHT)
    assert own.holm([]).shape == (0,)


def test_probability_of_improvement_counts_ties_half():
    assert own.probability_of_improvement(np.array([1, -1, 0, 2])) == 0.625


@pytest.mark.parametrize("smaller_is_better", [False, True])
def test_expected_best_is_the_mean_over_all_subsets(smaller_is_better):
    values, best = draws(9, 5), (min if smaller_is_better else max)
    expected = [np.mean([best(some) for some in combinations(values, k)]) for k in range(1, 10)]
    np.testing.assert_allclose(own.expected_best(values, smaller_is_better), expected, **TIGHT)


def test_expected_best_of_many_trials_is_finite():
    found = own.expected_best(draws(2000))
    assert np.all(np.diff(found) > 0)
    np.testing.assert_allclose([found[0], found[-1]], [draws(2000).mean(), draws(2000).max()], **TIGHT)


def test_ranks_and_wilcoxon_over_datasets():
    scores = np.random.default_rng(0).normal([0, 0.5, 2], size=(9, 3))
    ranks = [[sorted(row, reverse=True).index(value) + 1 for value in row] for row in scores]
    np.testing.assert_allclose(own.mean_ranks(scores), np.mean(ranks, axis=0), **TIGHT)
    np.testing.assert_allclose(own.mean_ranks(-scores, smaller_is_better=True), np.mean(ranks, axis=0), **TIGHT)
    np.testing.assert_allclose(own.mean_ranks(np.zeros((4, 3))), [2, 2, 2], **TIGHT)
    p = [stats.wilcoxon(scores[:, k], scores[:, 0], method="exact").pvalue for k in (1, 2)]
    found = own.wilcoxon_holm(scores, 0)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], own.holm(p), **TIGHT)
    assert own.wilcoxon_holm(np.ones((6, 2)), 0)[1] == 1


def test_wilcoxon_is_exact_with_ties():
    """All five better, two of them by as much: scipy before 1.14 would approximate, to 0.042."""
    found = own.wilcoxon_holm(np.array([[0.1, 0.2, 0.3, 0.4, 0.5], [0.2, 0.3, 0.5, 0.7, 0.9]]).T, 0)
    assert found[1] == 2 / 2**5
    d = np.array([3.0, -1.0, 1.0, 2.0, 2.0, 0.0, 5.0, 4.0, -3.0])
    exact = stats.wilcoxon(d, method=stats.PermutationMethod(n_resamples=np.inf)).pvalue
    np.testing.assert_allclose(own.wilcoxon_holm(np.stack([0 * d, d], 1), 0)[1], exact, **TIGHT)


def test_float32_breaks_no_tie():
    """Accuracies k/359 as the programs measure them, in float32, and as they are."""
    right = np.random.default_rng(10).integers(325, 345, (3, 12))
    exact, measured = right / 359, (right.astype(np.float32) / np.float32(359)).astype(np.float64)
    for row in (1, 2):
        truth, found = (own.compare(dict(enumerate(v[row])), dict(enumerate(v[0]))) for v in (exact, measured))
        assert (found.p, found.improvement) == (truth.p, truth.improvement)
        assert found.p == own.sign_flip_p((right[row] - right[0]).astype(float))
    assert own.sign_flip_p(measured[2] - measured[0]) < found.p - 0.02  # what broken ties would say
    means = np.array([[0.9, 0.9 + 1e-8, 0.8], [0.7, 0.9, 0.8]])
    np.testing.assert_allclose(own.mean_ranks(means), [(1.5 + 3) / 2, (1.5 + 1) / 2, (3 + 2) / 2])


@pytest.mark.parametrize("n", [1, 3, 4, 10, 13])
def test_interquartile_mean_is_scipys_trimmed_mean(n):
    x = draws(n)
    np.testing.assert_allclose(own.interquartile_mean(x), stats.trim_mean(x, 0.25), **TIGHT)


def test_iqm_draws_within_each_dataset():
    found = own.iqm([draws(8, 1), draws(8, 2) + 10])
    np.testing.assert_allclose(found.value, stats.trim_mean(np.concatenate([draws(8, 1), draws(8, 2) + 10]), 0.25))
    assert found.low <= found.value <= found.high
    # with both datasets constant nothing varies, as it would if seeds moved between them
    constant = own.iqm([[1.0] * 5, [3.0] * 5])
    assert (constant.low, constant.value, constant.high) == (2, 2, 2)
