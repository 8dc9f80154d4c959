"""Ranges shrink to the best, in the parameter's scale, and widen where these lean on an edge."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from regexp.config.search.space import Parameter, Space, ranges_of, with_ranges
from regexp.experiment import Experiment
from regexp.regularizers.activations.dropout import Dropout
from regexp.study.sweep.narrow import narrow

RATE = Parameter("optimizer.learning_rate", "log", 1e-5, 1e-1, (0.0, math.inf), (True, False))


def narrowed(parameter, values, keep=0.25, trials=None):
    space = Space((parameter,), Experiment())
    new, lines = narrow(
        space, [{parameter.path: v} for v in values], keep, [{parameter.path: 0.0}] * (trials or len(values))
    )
    return new.parameters[0], lines


def test_to_the_span_of_the_best_padded_in_the_logarithm():
    best = [1e-3, 2e-3, 5e-3, 1e-2]
    new, (line,) = narrowed(RATE, best + [1e-5] * 12)
    assert (math.log10(new.low), math.log10(new.high)) == pytest.approx((-3.1, -1.9), abs=1e-3)
    assert line == "optimizer.learning_rate 1e-05..0.1 -> 0.0007943..0.01259 (best 4 of 16)"


def test_failed_trials_count_in_the_share_that_is_kept():
    """16 trials of which 8 failed: a quarter is 4, not 2."""
    new, (line,) = narrowed(RATE, [1e-3, 1e-3, 1e-2, 1e-2, 1e-4, 1e-4, 1e-4, 1e-4], trials=16)
    assert "best 4 of 16" in line
    assert new.low > 1e-4


def test_widens_past_an_edge_that_the_best_lean_on_and_says_so():
    new, (line,) = narrowed(RATE, [9e-2, 8e-2, 5e-2, 2e-2] + [1e-4] * 12)
    assert new.high == pytest.approx(1.0)  # a quarter of four decades
    assert line.endswith("(best 4 of 16; they touch 0.1: widened)")


def test_best_that_are_everywhere_widen_nothing():
    """A parameter that does not matter has its best at both edges."""
    everywhere = np.geomspace(1e-5, 1e-1, 16).tolist()
    new, lines = narrowed(RATE, everywhere, keep=1.0)
    assert (new.low, new.high, lines) == (1e-5, 1e-1, [])


def test_never_past_a_declared_limit():
    limited = replace(RATE, limits=(1e-6, 0.3), open=(False, False))
    new, _ = narrowed(limited, [9e-2, 8e-2, 9e-2, 8e-2])
    assert new.high == 0.3
    again, (line,) = narrowed(replace(limited, high=0.3), [0.29, 0.28, 0.3, 0.3] + [1e-4] * 12)
    assert again.high == 0.3
    assert "they touch 0.3, its limit" in line


def test_half_the_way_to_a_limit_that_is_itself_outside():
    rate = Parameter("regularizers.dropout.rate", "linear", 0.0, 0.9, (0.0, 1.0), (False, True))
    new, _ = narrowed(rate, [0.89, 0.88, 0.9, 0.87])
    assert new.high == pytest.approx(0.95)


def test_whole_numbers_stay_whole():
    patience = Parameter("regularizers.early_stopping.patience", "int", 1, 9, (1, 2**31 - 1))
    new, _ = narrowed(patience, [4, 5, 5, 4], keep=1.0)
    assert (new.low, new.high) == (3, 6)
    wider, _ = narrowed(patience, [9, 9, 8, 9], keep=1.0)
    assert wider.high == 11


def test_a_choice_keeps_what_is_among_the_best_if_they_are_enough():
    hidden = Parameter("model.hidden", "choice", choices=("[4]", "[8]"), values=(("[4]", (4,)), ("[8]", (8,))))
    new, (line,) = narrowed(hidden, ["[4]"] * 4, keep=1.0)
    assert new.choices == ("[4]",)
    assert line == "model.hidden [8] or [4] -> [4] (best 4 of 4)"
    assert narrowed(hidden, ["[4]"] * 3, keep=1.0)[0].choices == ("[4]", "[8]")


def test_a_method_that_is_out_says_nothing_of_its_fields():
    space = Space(
        (
            Parameter("regularizers.dropout", "optional", choices=(False, True)),
            Parameter("regularizers.dropout.rate", "linear", 0.0, 0.5, (0.0, 1.0), (False, True)),
        ),
        Experiment(regularizers=(Dropout(),)),
    )
    settings = [{"regularizers.dropout": on, "regularizers.dropout.rate": r} for on, r in
                [(True, 0.2), (False, 0.5), (True, 0.3), (False, 0.0)]]  # fmt: skip
    new, _ = narrow(space, settings, 1.0, settings)
    assert (new.parameters[1].low, new.parameters[1].high) == pytest.approx((0.19, 0.31))
    assert with_ranges(space, ranges_of(new)) == new


def test_a_parameter_is_judged_among_the_settings_with_its_method_in():
    """24 settings, half of them with dropout; the best six hold a single one with it."""
    space = Space(
        (
            Parameter("regularizers.dropout", "optional", choices=(False, True)),
            Parameter("regularizers.dropout.rate", "linear", 0.1, 0.6, (0.0, 1.0), (False, True)),
        ),
        Experiment(regularizers=(Dropout(),)),
    )
    rates = np.linspace(0.1, 0.6, 12)
    without = [{"regularizers.dropout": False, "regularizers.dropout.rate": rate} for rate in rates]
    within = [{"regularizers.dropout": True, "regularizers.dropout.rate": rate} for rate in rates]
    ranked = [*without[:5], within[2], *without[5:], within[4], within[3], *within[5:], *within[:2]]
    new, lines = narrow(space, ranked, 0.25, ranked)
    low, high = rates[2], rates[4]  # the best quarter of the twelve
    assert new.parameters[1].low == pytest.approx(low - 0.1 * (high - low), abs=1e-3)
    assert new.parameters[1].high == pytest.approx(high + 0.1 * (high - low), abs=1e-3)
    assert "best 3 of 12 with dropout in" in lines[-1]
    few = [*without, within[2]]
    unchanged, lines = narrow(space, few, 0.25, few)
    assert unchanged.parameters[1] == space.parameters[1]
    assert "stays (best 1 of 1 with dropout in, which span no range)" in lines[-1]
