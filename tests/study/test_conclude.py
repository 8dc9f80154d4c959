"""What a sweep says at its end is what the report says of the same numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from regexp.config.search.section import Sweep
from regexp.statistics import compare, summarize
from regexp.study.sweep.conclude import compared, measured
from regexp.study.sweep.records import Record

SWEEP = Sweep(objective="validation/accuracy", space={}, stages=())


def record(number: int, accuracies: np.ndarray) -> Record:
    scores = [{"validation/loss": 0.0, "test/accuracy": float(value)} for value in accuracies]
    return Record(1, number, {}, "done", 0.0, scores)


@pytest.mark.parametrize("seeds", [3, 8, 12])  # t and t, t and sign flips, BCa and sign flips
def test_its_intervals_are_the_reports(seeds):
    base, winner = np.random.default_rng(seeds).normal(0.9, 0.02, (2, seeds))
    (found,) = compared(SWEEP, record(1, winner), record(0, base))
    whole = summarize(winner).interval
    assert (found["winner_mean"]["low"], found["winner_mean"]["high"]) == (whole.low, whole.high)
    pairs = compare(dict(enumerate(winner)), dict(enumerate(base)))
    assert (found["difference"]["low"], found["difference"]["high"]) == (pairs.interval.low, pairs.interval.high)


def test_one_seed_has_no_interval():
    (found,) = compared(SWEEP, record(1, np.array([0.9])), record(0, np.array([0.8])))
    assert (found["difference"]["low"], found["difference"]["high"]) == (None, None)


def test_the_comparison_is_by_the_objectives_own_metric_and_by_accuracy():
    scores = [{"test/accuracy": 0.9, "test/balanced_accuracy": 0.8, "test/loss": 0.3}]
    winner, base = (Record(1, number, {}, "done", 0.0, scores) for number in (1, 0))
    for objective, expected in (
        ("validation/balanced_accuracy", ["test/balanced_accuracy", "test/accuracy"]),
        ("validation/loss", ["test/loss", "test/accuracy"]),
        ("validation/accuracy", ["test/accuracy"]),
    ):
        pairs = compared(replace(SWEEP, objective=objective), winner, base)
        assert [pair["metric"] for pair in pairs] == expected


@pytest.mark.parametrize(("smaller", "order"), [(True, [1, 0, 4, 3, 2]), (False, [0, 1, 3, 4, 2])])
def test_who_halving_ended_follows_by_how_far_it_went(smaller, order):
    found = [("done", 0.5, 9), ("done", 0.4, 9), ("pruned", 0.1, 1), ("pruned", 0.9, 3), ("pruned", 0.8, 3),
             ("diverged", None, 9), ("failed", None, 0)]  # fmt: skip
    records = [Record(0, n, {}, status, value, epochs=epochs) for n, (status, value, epochs) in enumerate(found)]
    assert [r.number for r in measured(records, smaller)] == order
