"""The words: better, worse, equivalent, undecided; and when none may be said."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from regexp import statistics as own


def row(values) -> dict[int, float]:
    return dict(enumerate(values))


def only(values, baseline, **options) -> own.Verdict:
    return own.verdicts([(row(values), row(baseline))], options.pop("smaller_is_better", False), **options)[0]


BASE = np.array([0.90, 0.91, 0.89, 0.92, 0.90, 0.88, 0.91, 0.90])
GAIN = np.array([0.02, 0.03, 0.01, 0.02, 0.04, 0.02, 0.03, 0.01])


def test_better_and_worse_follow_the_metric():
    assert only(BASE + GAIN, BASE).word == "better"
    assert only(BASE - GAIN, BASE).word == "worse"
    assert only(BASE + GAIN, BASE, smaller_is_better=True).word == "worse"
    assert only(BASE - GAIN, BASE, smaller_is_better=True).word == "better"


def test_five_pairs_decide_nothing_and_say_why():
    found = only(BASE[:5] + GAIN[:5], BASE[:5])
    assert (found.word, found.p) == ("undecided", 0.0625)
    assert found.reason == "5 pairs reach p = 0.0625 at best"
    assert found.more_seeds == 1
    assert only(BASE[:5], BASE[:5], delta=1.0).word == "undecided"


def test_six_pairs_decide_alone_and_not_in_company():
    six = row(BASE[:6] + GAIN[:6])
    assert own.verdicts([(six, row(BASE))], False)[0].word == "better"
    both = own.verdicts([(six, row(BASE)), (row(BASE[:6] - GAIN[:6]), row(BASE))], False)
    assert [one.word for one in both] == ["undecided", "undecided"]
    assert both[0].reason == "6 pairs reach p = 0.0625 at best with 2 rows compared"
    assert both[0].more_seeds == 1


def test_what_a_row_can_reach_depends_on_the_others():
    """Beside a row with p = 1/128 that Holm takes first, five pairs reach 0.0625, not twice that."""
    found = own.verdicts([(row(BASE + GAIN), row(BASE)), (row(BASE[:5] + GAIN[:5]), row(BASE))], False)
    assert [one.word for one in found] == ["better", "undecided"]
    assert found[1].reason == "5 pairs reach p = 0.0625 at best with 2 rows compared"


def test_equivalent_within_delta_and_only_then():
    near = BASE + np.array([1, -1, 1, -1, 1, -1, 1, -1]) * 1e-3
    assert only(near, BASE, delta=0.01).word == "equivalent"
    assert only(near, BASE).word == "undecided"
    assert only(BASE, BASE).word == "equivalent"  # the same on every seed: within 0
    assert only(BASE + GAIN, BASE, delta=0.1).word == "equivalent"  # who says 0.1 does not matter
    assert only(BASE + 0.25, BASE, delta=0.1).word == "better"  # a constant difference, outside


def test_undecided_tells_about_how_many_more():
    generator = np.random.default_rng(0)
    effect = np.array([0.012, -0.008, 0.015, -0.002, 0.009, -0.011, 0.014, 0.001])
    found = only(BASE + effect, BASE)
    assert found.word == "undecided"
    assert found.more_seeds > 8
    # so many pairs with that mean and spread are decided four times in five
    n = 8 + found.more_seeds
    d = generator.normal(effect.mean(), effect.std(ddof=1), (2_000, n))
    t = d.mean(1) / (d.std(1, ddof=1) / np.sqrt(n))
    assert np.mean(np.abs(t) > stats.t.ppf(0.975, n - 1)) == pytest.approx(0.8, abs=0.04)
    assert only(BASE + 1e-9 * effect - np.mean(1e-9 * effect), BASE).more_seeds is None


def test_pairs_are_the_shared_seeds():
    left, right = {3: 1.0, 1: 2.0, 9: 5.0}, {1: 1.0, 3: 0.5, 4: 7.0}
    found = own.compare(left, right)
    assert (found.pairs, found.difference) == (2, 0.75)
    assert np.isnan(found.correlation)  # two points always lie on a line
    assert own.compare({1: 1.0}, {2: 1.0}) is None
    assert own.verdicts([({1: 1.0}, {2: 1.0})], False)[0].word == "no pairs"


def test_one_value_and_one_pair_have_no_interval():
    assert own.summarize([0.5]).interval.method == "none"
    assert np.isnan(own.summarize([0.5]).std)
    found = own.compare({1: 1.0}, {1: 0.5})
    assert (found.pairs, found.p, found.interval.method) == (1, 1.0, "none")
    assert only([1.0], [0.5]).reason == "1 pair reaches p = 1 at best"
    assert np.isnan(found.correlation)


def test_equal_values_have_a_point_for_an_interval():
    found = own.summarize([0.5] * 12)
    assert (found.interval.low, found.interval.high, found.std) == (0.5, 0.5, 0)


def test_a_row_without_pairs_does_not_count_for_holm():
    rows = [row(BASE[:6] + GAIN[:6]), {99: 0.5}]
    found = own.verdicts([(one, row(BASE)) for one in rows], False)
    assert [one.word for one in found] == ["better", "no pairs"]


def test_the_same_values_give_the_same_numbers():
    x = np.random.default_rng(0).normal(size=30)
    assert own.summarize(x) == own.summarize(x.copy())
    assert own.difference_interval(x) == own.difference_interval(x.copy())
