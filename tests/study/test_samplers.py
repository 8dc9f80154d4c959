"""Settings: inside the ranges, even in the scale, the same again."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy.stats import qmc

from regexp.config import loads
from regexp.core.errors import UsageError
from regexp.study.sweep import samplers
from regexp.study.sweep.samplers import AskAndTell, check_installed, fixed
from tests.study.lab import BASE, SWEEP

RATE, STRENGTH, METHOD = "optimizer.learning_rate", "regularizers.l2.strength", "regularizers.l2"


@pytest.fixture(scope="module")
def space():
    return loads(BASE + SWEEP).search.space


@pytest.fixture(scope="module")
def optional_space():
    """A learning rate, and L2 that may be out."""
    method = "    regularizers.l2: {optional: true}\n"
    return loads(BASE + SWEEP.replace("    regularizers.dropout: {optional: true}\n", method)).search.space


@pytest.mark.parametrize("sampler", ["random", "sobol", "grid"])
def test_the_same_again_and_inside(sampler, space):
    settings = fixed(sampler, space, 24, 0)
    assert settings == fixed(sampler, space, 24, 0)
    for parameter in space:
        values = [s[parameter.path] for s in settings]
        if parameter.is_range:
            assert parameter.low <= min(values) <= max(values) <= parameter.high
        else:
            assert set(values) == {False, True}


def test_another_stage_draws_others(space):
    assert fixed("sobol", space, 8, 0) != fixed("sobol", space, 8, 1)


def test_sobol_is_even_in_the_logarithm(space):
    """Less discrepant than random points are, after the way back to the unit square."""

    def square(sampler):
        settings = fixed(sampler, space, 64, 0)
        rate = [np.log10(s[RATE]) / 3 + 4 / 3 for s in settings]
        strength = [np.log10(s[STRENGTH]) / 4 + 6 / 4 for s in settings]
        return np.clip(np.stack([rate, strength], 1), 0, 1)

    assert qmc.discrepancy(square("sobol")) < 0.3 * qmc.discrepancy(square("random"))
    in_each_eighth = np.histogram(square("sobol")[:, 0], 8, (0, 1))[0]
    assert in_each_eighth.tolist() == [8] * 8


def test_a_grid_is_all_combinations_that_fit(space):
    settings = fixed("grid", space, 24, 0)
    levels = {p.path: sorted({s[p.path] for s in settings}) for p in space}
    every = [dict(zip(levels, values, strict=True)) for values in product(*levels.values())]
    assert len(every) <= 24
    assert {space.key(s) for s in settings} == {space.key(s) for s in every}
    assert len({space.key(s) for s in settings}) == len(settings)
    assert levels[RATE] == pytest.approx([1e-4, 10**-2.5, 1e-1], rel=1e-5)


@pytest.mark.parametrize("sampler", ["tpe", pytest.param("gp", marks=pytest.mark.slow), "cma_es"])
def test_optunas_samplers_learn(sampler, space):
    """The best rate is 10^-2: the later half of what is asked is nearer to it than the first."""
    pytest.importorskip(samplers.NEEDS.get(sampler, ("optuna",))[0], reason="an extra of Optuna")
    asking = AskAndTell(sampler, space, 25, 0, smaller=True)
    miss = []
    for _ in range(5):
        asked = asking.ask(5)
        own = [abs(np.log10(s[RATE]) + 2) for s in asked]
        asking.tell([None if m > 1.5 else m for m in own])
        miss += own
    assert np.median(miss[15:]) < 0.8 * np.median(miss[:10])
    assert len(set(miss)) >= 20  # within a batch gp may ask for the optimum twice


def test_a_resumed_tpe_asks_the_same(space):
    whole = AskAndTell("tpe", space, 16, 0, smaller=True)
    first = whole.ask(8)
    whole.tell([s[STRENGTH] for s in first])
    resumed = AskAndTell("tpe", space, 16, 0, smaller=True)
    for setting in first:
        resumed.add(setting, setting[STRENGTH])
    assert resumed.ask(8) == whole.ask(8)


@pytest.mark.parametrize("sampler", ["tpe", pytest.param("gp", marks=pytest.mark.slow)])
def test_values_of_a_method_that_is_out_do_not_matter(sampler, optional_space):
    """Trials without the method carry a strength that changes nothing: two strengths, the same proposals."""
    pytest.importorskip(samplers.NEEDS.get(sampler, ("optuna",))[0], reason="an extra of Optuna")
    proposals = []
    for unused in (1e-6, 1e-2):
        asking = AskAndTell(sampler, optional_space, 16, 0, smaller=True)
        for setting in fixed("sobol", optional_space, 16, 0):
            unused_value = {} if setting[METHOD] else {STRENGTH: unused}
            asking.add(setting | unused_value, abs(np.log10(setting[RATE]) + 2))
        proposals.append(asking.ask(8))
    assert proposals[0] == proposals[1]


def test_a_sampler_that_is_not_installed_says_what_to_do(monkeypatch):
    monkeypatch.setattr(samplers, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"^the sampler cma_es needs cmaes: pip install '.\[samplers\]'$"):
        check_installed("cma_es")
