"""No number depends on the order of its values: seeds and data sets have none; nor on which setting is the baseline."""

from __future__ import annotations

import math

import numpy as np
import pytest

from regexp import statistics as own

SIZES = [5, 9, 12, 17, 20, 21, 24, 40]


def orders(values: np.ndarray) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return [values, values[::-1], *(generator.permutation(values) for _ in range(8))]


def differences(n: int) -> np.ndarray:
    return np.random.default_rng(n).normal(0.4, 1, n)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(
    "function",
    [own.sign_flip_p, own.difference_interval, own.mean_interval, lambda d: own.iqm([d, differences(7)])],
    ids=["p", "interval of a difference", "interval of a mean", "interquartile mean"],
)
def test_one_answer_for_all_orders_of_the_values(function, n):
    answers = {str(function(d)) for d in orders(np.round(differences(n), 3))}
    assert len(answers) == 1


@pytest.mark.parametrize("n", SIZES)
def test_renamed_seeds_have_the_same_p(n):
    a, b = differences(n), np.random.default_rng(99).normal(size=n)
    found = set()
    for order in orders(np.arange(n)):
        seeds = dict(zip(order.tolist(), range(n), strict=True))
        one = own.compare({seeds[i]: a[i] for i in range(n)}, {seeds[i]: b[i] for i in range(n)})
        assert one is not None
        found.add((one.p, one.interval.low, one.interval.high))
    assert max(math.dist(x, y) for x in found for y in found) < 1e-12


@pytest.mark.parametrize("n", SIZES)
def test_the_baseline_and_the_row_can_be_exchanged(n):
    d = np.round(differences(n), 3)
    assert own.sign_flip_p(d) == own.sign_flip_p(-d)
    if n >= 6:
        low, high = own.sign_flip_interval(d)
        assert own.sign_flip_interval(-d) == (-high, -low)


@pytest.mark.parametrize("n", [20, 24])
def test_symmetric_and_constant_differences(n):
    symmetric = np.repeat([-1.0, 1.0], n // 2)
    assert own.sign_flip_p(symmetric) == 1
    low, high = own.sign_flip_interval(symmetric)
    assert low < 0 < high
    assert own.sign_flip_interval(np.full(n, 0.25)) == (0.25, 0.25)


@pytest.mark.parametrize("n", [6, 20, 24])
def test_many_rows_have_the_p_and_interval_of_each(n):
    d = np.round(np.random.default_rng(n).normal(0.3, 1, (2, 3, n)), 3)
    p, (low, high) = own.sign_flip_p(d), own.sign_flip_interval(d)
    assert p.shape == low.shape == high.shape == (2, 3)
    for place in np.ndindex(2, 3):
        np.testing.assert_allclose(p[place], own.sign_flip_p(d[place]))
        np.testing.assert_allclose((low[place], high[place]), own.sign_flip_interval(d[place]))


def test_memory_is_bounded():
    """40 rows of 20 pairs have 42 million subset sums, 320 MiB at once."""
    import tracemalloc

    d = np.random.default_rng(0).normal(size=(40, 20))
    own.sign_flip_interval(d[:1])  # the sizes of the subsets are kept
    tracemalloc.start()
    own.sign_flip_p(d)
    own.sign_flip_interval(d)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 120 * 2**20
