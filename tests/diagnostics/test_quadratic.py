"""Hessian, shrinkage and early stopping against closed forms and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from regexp.diagnostics import early_stopping, hessian, quadratic
from regexp.models.cnn import CNN
from regexp.models.linear import Linear
from regexp.models.mlp import MLP
from regexp.regularizers.parameters.l2 import L2
from tests import lab
from tests.diagnostics.bodies import separable, subject


def linear(strength: float = 0.3, columns: int = 5):
    return subject(lab.experiment(L2(strength=strength), model=Linear()), lab.table(columns=columns))


def design(made) -> tuple[np.ndarray, np.ndarray]:
    inputs, targets = made.analysed
    return inputs, targets[:, 0]


def test_the_hessian_of_a_linear_model_is_that_of_least_squares():
    made = linear()
    x, _ = design(made)
    point = quadratic.at(made, quadratic.flat(made))
    inside = quadratic.is_kernel(made)
    np.testing.assert_allclose(point.hessian[np.ix_(inside, inside)], 2 * x.T @ x / len(x), rtol=1e-12)
    centred = x - x.mean(0)  # with the bias at its best
    np.testing.assert_allclose(quadratic.profiled(point, inside), 2 * centred.T @ centred / len(x), rtol=1e-9)


def test_the_minima_are_those_of_scikit_learn():
    made = linear()
    x, y = design(made)
    inside, start = quadratic.is_kernel(made), quadratic.flat(made)
    for strength, oracle in ((0.0, LinearRegression()), (0.3, Ridge(alpha=0.15 * len(x)))):
        found = quadratic.minimum(made, start, strength * inside)
        np.testing.assert_allclose(found.weights[inside], oracle.fit(x, y).coef_, rtol=1e-9)


def test_predicted_and_measured_shrinkage_of_a_linear_model_agree():
    found = hessian.explain(linear(strength=0.3))
    values = found.values
    assert values["a"] == 0.3
    assert values["gap"] < 1e-6
    eigenvalues = np.asarray(values["eigenvalues"])
    np.testing.assert_allclose(sorted(values["measured"]), sorted(eigenvalues / (eigenvalues + 0.3)), atol=1e-6)
    assert max(values["measured"]) - min(values["measured"]) > 0.01  # the directions do differ
    assert "shrinks along the Hessian's directions" in found.sentence


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (MLP(hidden=(6,), activation="tanh"), lab.table()),
        (CNN(filters=(2,), hidden=(), activation="tanh"), lab.images(60)),
    ],
    ids=["mlp", "cnn"],
)
def test_lanczos_finds_the_ends_of_the_exact_spectrum(model, data, monkeypatch):
    made = subject(lab.experiment(model=model), data)
    exact = np.linalg.eigvalsh(quadratic.at(made, quadratic.flat(made)).hessian)
    monkeypatch.setattr(hessian, "LARGEST", 10)
    found = hessian.explain(made)
    ritz, errors = np.asarray(found.values["ritz"]), np.asarray(found.values["errors"])
    np.testing.assert_allclose(ritz[-3:], exact[-3:], rtol=1e-6)
    nearest = np.abs(ritz[:, None] - exact).min(1)
    assert np.all(nearest <= errors + 1e-10)  # each within its own bound
    assert "predicted, not measured" in found.sentence


def test_classes_that_can_be_separated_have_no_minimum():
    made = subject(lab.experiment(model=Linear()), separable())
    assert "No minimum" in hessian.explain(made).sentence
    assert "no minimum" in early_stopping.explain(made).sentence


def test_descent_follows_the_quadratic_law_and_the_l2_path():
    made = linear()
    found = early_stopping.explain(made)
    assert found.values["law"] < 1e-9
    ratio, distance = np.asarray(found.values["ratio"]), np.asarray(found.values["distance"])
    rate, lengths = found.values["rate"], found.values["lengths"]
    everything = np.ones(6)
    end = quadratic.minimum(made, np.zeros(6), 0 * everything).weights
    for tau, row, line in zip(lengths, found.rows, found.lines[1:], strict=True):
        a = 1 / (rate * tau)
        left = np.linalg.norm(quadratic.minimum(made, end, a * everything).weights) / np.linalg.norm(end)
        assert (row[2], line.index("|")) == (f"{a:.4g}", 7 + round(50 * left))
    assert 0.8 < ratio[0] < 1  # at the start a is 1/(eps tau), to first order in eps lambda
    assert distance.max() < 0.1


@pytest.mark.parametrize("tau", [1, 10, 100])
def test_the_nearest_l2_minimum_of_one_direction(tau):
    curvature, rate = 2.0, 0.01
    left = (1 - rate * curvature) ** tau
    values, end = np.asarray([curvature]), np.asarray([1.5])
    found = early_stopping._nearest(values, end, (1 - left) * end)
    assert found == pytest.approx(curvature * left / (1 - left), rel=1e-4)


def test_a_network_with_hidden_layers_is_refused():
    assert "hidden layers" in early_stopping.explain(subject(lab.experiment(), lab.table())).sentence
