"""Penalties on parameters: exact steps, scikit-learn's ridge and lasso."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Lasso, Ridge

from regexp.datasets.base import Dataset
from regexp.experiment import Training
from regexp.models.linear import Linear
from regexp.models.mlp import MLP
from regexp.optimizers.gd import GD
from regexp.optimizers.sgd import SGD
from regexp.regularizers.parameters.l1 import L1
from regexp.regularizers.parameters.l2 import L2
from tests.lab import experiment, flat, table, train, weights

KERNELS = {
    "hidden_0": {"kernel": np.linspace(-1, 1, 12).reshape(3, 4), "bias": np.ones(4)},
    "output": {"kernel": np.linspace(2, -1, 8).reshape(4, 2), "bias": np.ones(2)},
}


@pytest.mark.usefixtures("float64")
def test_penalties_are_the_formulas_and_spare_biases():
    a, b = KERNELS["hidden_0"]["kernel"], KERNELS["output"]["kernel"]
    assert L2(strength=0.3).penalty(KERNELS) == pytest.approx(0.15 * ((a**2).sum() + (b**2).sum()), rel=1e-12)
    assert L1(strength=0.3).penalty(KERNELS) == pytest.approx(0.3 * (abs(a).sum() + abs(b).sum()), rel=1e-12)
    gradient = jax.grad(L2(strength=0.3).penalty)(KERNELS)
    np.testing.assert_allclose(gradient["output"]["kernel"], 0.3 * b, rtol=1e-12)
    assert not np.any(gradient["output"]["bias"])


def test_the_longest_matching_pattern_gives_the_strength():
    layers = {"*": 1.0, "hidden_*": 0.5, "hidden_0": 0.25}
    only_hidden = L2(strength=9.0, layers=layers).penalty({"hidden_0": KERNELS["hidden_0"]})
    a = KERNELS["hidden_0"]["kernel"]
    assert only_hidden == pytest.approx(0.125 * (a**2).sum(), rel=1e-6)


def test_one_sgd_step_with_l2_is_the_shrunk_weight_minus_the_plain_step():
    rate, strength = 0.05, 0.7
    setting = {"optimizer": SGD(learning_rate=rate), "model": MLP(hidden=(8,))}
    start = weights(train(experiment(**setting), steps=0))
    plain = weights(train(experiment(**setting), steps=1))
    shrunk = weights(train(experiment(L2(strength=strength), **setting), steps=1))
    for layer in start:
        gradient = (start[layer]["kernel"] - plain[layer]["kernel"]) / rate
        expected = (1 - rate * strength) * start[layer]["kernel"] - rate * gradient
        np.testing.assert_allclose(shrunk[layer]["kernel"], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(shrunk[layer]["bias"], plain[layer]["bias"], rtol=1e-6, atol=1e-7)


def fitted(method, epochs, rate):
    """A linear model trained by gradient descent; its weights and its training data, scaled as it sees them."""
    data = table()
    made = train(
        experiment(
            method,
            dataset=Dataset(validation=0.0, test=0.2),
            model=Linear(),
            optimizer=GD(learning_rate=rate),
            training=Training(epochs=epochs),
        ),
        data,
    )
    split = made.splits[0]
    x, y = data.inputs[split.train].astype(float), data.targets[split.train, 0].astype(float)
    return weights(made)["output"], x, (y - y.mean()) / y.std()


def test_linear_model_with_l2_is_ridge():
    a = 0.3
    layer, x, y = fitted(L2(strength=a), epochs=3000, rate=0.1)
    # mean (y - f)^2 + a/2 ||w||^2  =  1/n ( ||y - f||^2 + n a/2 ||w||^2 )
    oracle = Ridge(alpha=len(x) * a / 2, tol=1e-12).fit(x, y)
    np.testing.assert_allclose(layer["kernel"][:, 0], oracle.coef_, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layer["bias"][0], oracle.intercept_, atol=1e-5)


def test_linear_model_with_proximal_l1_is_the_lasso_with_its_zeros():
    a = 0.4
    layer, x, y = fitted(L1(strength=a, proximal=True), epochs=4000, rate=0.1)
    # mean (y - f)^2 + a ||w||_1  =  2 ( 1/(2n) ||y - f||^2 + a/2 ||w||_1 )
    oracle = Lasso(alpha=a / 2, tol=1e-12, max_iter=100_000).fit(x, y)
    assert np.any(oracle.coef_ == 0)
    np.testing.assert_array_equal(layer["kernel"][:, 0] == 0, oracle.coef_ == 0)
    np.testing.assert_allclose(layer["kernel"][:, 0], oracle.coef_, rtol=1e-5, atol=1e-5)


def test_subgradient_l1_comes_close_and_has_no_exact_zeros():
    layer, x, y = fitted(L1(strength=0.4), epochs=4000, rate=0.01)
    oracle = Lasso(alpha=0.2, tol=1e-12, max_iter=100_000).fit(x, y)
    np.testing.assert_allclose(layer["kernel"][:, 0], oracle.coef_, atol=0.01)
    assert np.all(layer["kernel"] != 0)


def test_near_an_optimum_l2_shrinks_by_the_hessian():
    """w~ = (H + aI)^-1 H w*, exact for a quadratic loss."""
    a = 0.5
    plain, x, _ = fitted(L2(strength=0.0), epochs=4000, rate=0.1)
    shrunk, _, _ = fitted(L2(strength=a), epochs=4000, rate=0.1)
    centred = x - x.mean(0)
    hessian = 2 * centred.T @ centred / len(x)  # with the bias at its optimum
    expected = np.linalg.solve(hessian + a * np.eye(len(hessian)), hessian @ plain["kernel"][:, 0])
    np.testing.assert_allclose(shrunk["kernel"][:, 0], expected, rtol=1e-4, atol=1e-5)


def test_soft_threshold_is_the_formula():
    w = jnp.asarray([[-1.0, -0.05, 0.0, 0.05, 1.0]])
    out = L1(strength=1.0, proximal=True).project({"output": {"kernel": w}}, 0.1)
    np.testing.assert_allclose(out["output"]["kernel"], [[-0.9, 0, 0, 0, 0.9]], rtol=1e-6)
    assert flat(out).dtype == np.float32
