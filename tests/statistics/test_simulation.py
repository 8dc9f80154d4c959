"""Do the tests err as often as they say, and do the intervals cover? Thousands of experiments without an effect."""

from __future__ import annotations

import numpy as np
import pytest

from regexp import statistics as own
from regexp.statistics.intervals import widened

NULLS = 10_000
DRAWS = {
    "normal": lambda generator, size: generator.normal(size=size),
    "skewed": lambda generator, size: generator.exponential(size=size),
    "heavy-tailed": lambda generator, size: generator.standard_t(2, size=size),
}


def nulls(shape: str, n: int, count: int = NULLS) -> np.ndarray:
    """(count, n) differences of two settings that are alike: seeds shared, nothing else."""
    generator = np.random.default_rng([n, len(shape)])
    shared = generator.normal(size=(count, n))  # what a seed does to both
    return (shared + DRAWS[shape](generator, (count, n))) - (shared + DRAWS[shape](generator, (count, n)))


def p_values(differences: np.ndarray) -> np.ndarray:
    """In blocks: 10,000 times 9,999 flips at once would take 800 MB."""
    return np.concatenate([own.sign_flip_p(block) for block in np.array_split(differences, 20)])


def covered(low: np.ndarray, high: np.ndarray, truth: float) -> float:
    return float(np.mean((low <= truth) & (truth <= high)))


@pytest.mark.parametrize("shape", DRAWS)
@pytest.mark.parametrize("n", [8, 10, 20, 24])
def test_the_sign_flip_test_errs_at_its_level(shape, n):
    assert np.mean(p_values(nulls(shape, n)) <= 0.05) == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize("shape", DRAWS)
def test_six_pairs_err_less_because_p_has_few_values(shape):
    """The p values of 6 pairs are multiples of 2/64, so p <= 0.05 means p = 1/32: the level is 0.031."""
    rate = np.mean(p_values(nulls(shape, 6)) <= 0.05)
    assert rate <= 0.06
    assert rate == pytest.approx(2 / 64, abs=0.006)


@pytest.mark.parametrize("shape", DRAWS)
@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_below_six_pairs_it_never_rejects(shape, n):
    assert own.sign_flip_p(nulls(shape, n)).min() > 0.05


@pytest.mark.parametrize("shape", DRAWS)
@pytest.mark.parametrize("n", [10, 12, 24])  # 20 pairs are enumerated: 3,000 rows would take a minute
def test_intervals_of_differences_cover(shape, n):
    low, high = own.sign_flip_interval(nulls(shape, n, 3_000))
    assert 0.93 <= covered(low, high, 0) <= 0.97


VALUES = {  # (generator, size) -> draws, and their mean
    "normal": (DRAWS["normal"], 0.0),
    "accuracies": (lambda generator, size: generator.binomial(300, 0.97, size) / 300, 0.97),
    "skewed": (lambda generator, size: generator.gamma(4, size=size), 4.0),
    "very skewed": (DRAWS["skewed"], 1.0),
    "heavy-tailed": (lambda generator, size: generator.standard_t(3, size=size), 0.0),
}


@pytest.mark.parametrize("shape", VALUES)
@pytest.mark.parametrize("n", [10, 20])
def test_intervals_of_means_cover(shape, n):
    draw, mean = VALUES[shape]
    x = draw(np.random.default_rng(n), (5_000, n))
    assert 0.93 <= covered(*own.bootstrap_interval(x), mean) <= 0.97


def test_plain_bca_would_cover_too_little():
    """Why the level is widened, at 10 normal values 90% is not enough; and why t is a bound, of heavy tails as well."""
    x = np.random.default_rng(1).normal(size=(2_500, 10))
    assert covered(*own.bca_interval(x, 0.95), 0) < 0.92
    x = np.random.default_rng(1).standard_t(3, size=(2_500, 10))
    assert covered(*own.bca_interval(x, widened(0.95, 10)), 0) < 0.93


@pytest.mark.parametrize("n", [6, 10])
def test_equivalence_errs_at_its_level_on_the_edge(n):
    """The mean difference is delta itself, so every "equivalent" is an error."""
    d = np.random.default_rng(n).normal(1.0, 0.5, (NULLS, n))
    assert np.mean(own.equivalence_p(d, 1.0) <= 0.05) == pytest.approx(0.05, abs=0.01)


def test_no_verdict_on_four_alike_rows_but_for_one_time_in_twenty():
    """Holm over 4 rows against one baseline, 10 pairs each: any `better` or `worse` at all in at most 5%."""
    generator = np.random.default_rng(7)
    values = generator.normal(size=(2_000, 5, 10))
    p = own.sign_flip_p(values[:, 1:] - values[:, :1])
    wrong = [np.any(own.holm(row) <= 0.05) for row in p]
    assert np.mean(wrong) <= 0.06


def test_the_unbiased_estimator_is_unbiased():
    """Best of 3 uniform values is 3/4 on average; the plug-in estimator from 5 values would say 0.70."""
    values = np.random.default_rng(0).random((4_000, 5))
    assert np.mean([own.expected_best(row)[2] for row in values]) == pytest.approx(0.75, abs=0.01)
