"""The parts of the checks against what is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats
from scipy.spatial import distance

from regexp.checks import base, class_balance, learning_rate
from regexp.checks.bench import Bench, Derivative, alike, batches, bench_of, without_regularizers
from regexp.checks.chart import WIDTH, column, curve
from regexp.checks.gradients import relative_error
from regexp.checks.initial_loss import chance_loss
from regexp.checks.penalty_value import FORMULAS
from regexp.checks.range_test import read
from regexp.config import loads
from regexp.core.lazy import jax
from regexp.engine.step import Variables
from regexp.regularizers.base import CATALOGUE
from tests import lab

RATES = np.geomspace(1e-6, 10, 100)


def curves(begins: float, bottom: float, explodes: float) -> np.ndarray:
    """Loss 2, falling to 0.5 between two rates, and above 4 from a third on."""
    share = np.clip(np.log(RATES / begins) / np.log(bottom / begins), 0, 1)
    return np.where(explodes <= RATES, 5.0, 2 - 1.5 * share)[None]


def test_the_interval_of_a_known_curve():
    found = read(RATES, curves(1e-4, 1e-2, 1.0))
    assert 1e-4 < found.low < 5e-4
    assert 1e-2 <= found.high < 1
    assert 1.0 <= found.explodes < 3
    assert not found.never_falls


def test_a_loss_that_is_not_finite_explodes():
    losses = np.where(RATES > 0.1, np.nan, curves(1e-4, 1e-2, 100.0))
    found = read(RATES, losses)
    assert 0.1 < found.explodes < 0.2
    assert found.high <= 0.1


def test_a_loss_that_never_falls():
    assert read(RATES, np.full((2, 100), 2.0)).never_falls


@pytest.mark.parametrize("loss", [2.0, np.inf, np.nan])
def test_a_loss_that_no_rate_lowers_fails(loss, monkeypatch):
    monkeypatch.setattr(learning_rate, "range_test", lambda bench: read(RATES, np.full((2, 100), loss)))
    found = learning_rate.check(bench_of(loads("dataset: wine", ["optimizer.learning_rate=1e-6"])))
    assert found.verdict == "FAIL"
    assert found.advice.startswith("no rate lowers the loss")
    assert (found.lines == ("the loss is not finite from the first step on",)) == (not np.isfinite(loss))
    found.figure(Figure().add_subplot())


def test_the_drawn_curve_marks_the_rate():
    found = read(RATES, curves(1e-4, 1e-2, 1.0))
    lines = curve(found, 1e-3)
    assert all(line[10 + column(found, 1e-3)] == "|" for line in lines[:2])
    assert lines[-2].count("=") == column(found, found.high) - column(found, found.low) + 1
    assert column(found, 10.0) == WIDTH - 1
    assert not any("|" in line[10:] for line in curve(found, 1e3)[:-2])  # beside the axis it is not drawn


def test_relative_error_takes_the_best_width_and_sees_a_wrong_coordinate():
    truth = np.asarray([1.0, -2.0, 1e-9])
    differences = np.stack([truth + np.asarray([0, 0.3, 0]), truth])
    assert relative_error(Derivative({}, truth, differences)) == 0
    wrong = differences + np.asarray([0.1, 0, 0])
    assert relative_error(Derivative({}, truth, wrong)) == pytest.approx(0.1 / np.sqrt(5 / 3))


def test_every_penalty_has_its_formula():
    assert set(FORMULAS) == {name for name in CATALOGUE if CATALOGUE[name].overrides("penalty")}


def test_units_that_are_alike_are_counted():
    kernel = np.asarray([[1.0, 2, 1, 3, 1], [0, 1, 0, 1, 0]])
    model = {"hidden_0": {"kernel": kernel}, "output": {"kernel": np.zeros((5, 3))}}
    assert alike(Variables({"model": model}, {})) == [3]


def test_batches_are_permutations_one_after_another():
    rows = np.arange(10, 30)
    found = batches(rows, steps=5, size=8, seed=0)
    assert found.shape == (5, 8)
    assert sorted(found.ravel()[:20]) == sorted(found.ravel()[20:]) == rows.tolist()


def test_switched_off_is_neutral_and_of_one_structure():
    dropout = "{rate: 0.4, input_rate: 0.2, layers: {output: 0.1}}"
    experiment = loads(f"regularizers: {{dropout: {dropout}, l2: true, max_norm: true, batch_norm: true}}").experiment
    off = without_regularizers(experiment)
    first, l2, max_norm, _ = off.regularizers
    assert (first.rate, first.input_rate, first.layers, l2.strength) == (0, 0, {"output": 0}, 0)
    assert max_norm.limit == 1e9
    assert jax.tree.structure(off) == jax.tree.structure(experiment)


def test_the_chance_level_loss_is_log_k_or_the_variance():
    assert chance_loss(bench_of(loads("dataset: wine"))) == pytest.approx(np.log(3))
    assert chance_loss(bench_of(loads("dataset: wine\ntraining: {loss: squared_error}"))) == pytest.approx(1 / 3)
    assert chance_loss(Bench(lab.experiment(), lab.table())) == 1


@pytest.mark.parametrize(
    ("n", "test", "verdict"),
    [(600, (20, 10, 10), "WARN"), (600, (2, 1, 1), "PASS"), (9000, (400, 330, 330), "PASS")],
    ids=["far", "by chance", "near"],
)
def test_other_shares_in_a_split_are_told_where_chance_does_not_make_them(n, test, verdict):
    data = lab.images(n)
    rows = np.concatenate([np.flatnonzero(data.targets == k)[: 3 * n] for k, n in enumerate(test)])
    bench = Bench(lab.experiment(), replace(data, test=rows.astype(np.int32)))
    found = class_balance.check(bench)
    train, other = (np.asarray(found.values[name]) for name in ("train", "test"))
    shares = train / train.sum(), other / other.sum()
    assert found.values["moved"]["test"] == pytest.approx(distance.cityblock(*shares) / 2)
    assert class_balance.chance(train, other) == pytest.approx(stats.chi2_contingency([train, other]).pvalue)
    assert (found.verdict, "test differs from train" in found.advice) == (verdict, verdict == "WARN")


def test_every_file_of_a_check_is_in_the_list():
    from pathlib import Path

    folder = Path(base.__file__).parent
    tools = {"__init__", "base", "bench", "programs", "chart", "range_test"}
    assert {file.stem for file in folder.glob("*.py")} - tools == set(base.CHECKS)
