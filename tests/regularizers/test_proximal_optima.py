"""Under every optimizer, methods that threshold or project end at the optimum of their objective, or are refused."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_diabetes
from sklearn.linear_model import ElasticNet as ScikitElasticNet
from sklearn.linear_model import Lasso

from regexp.config import loads
from regexp.datasets.base import Data, Dataset
from regexp.experiment import Evaluation
from regexp.models.linear import Linear
from regexp.optimizers.adam import Adam
from regexp.optimizers.adamw import AdamW
from regexp.optimizers.base import CATALOGUE
from regexp.regularizers.parameters.elastic_net import ElasticNet
from regexp.regularizers.parameters.l1 import L1
from regexp.regularizers.parameters.max_norm import MaxNorm
from regexp.schedules.cosine import Cosine
from tests.lab import experiment, train, weights

STRENGTH, RIDGE, LIMIT = 0.3, 0.2, 0.3
STEPS = 4000
REFUSED = {"lion"}
RATES = {
    "sgd": (0.1, 0.03),
    "gd": (0.1, 0.03),
    "momentum": (0.01, 0.003),
    "nesterov": (0.01, 0.003),
    "adagrad": (0.3, 0.1),
    "rmsprop": (0.01, 0.003),
    "adam": (0.02, 0.005),
    "adamw": (0.02, 0.005),
}


def diabetes() -> tuple[np.ndarray, np.ndarray]:
    """Standardized inputs and target, so that the engine's target scale is 1."""
    inputs, targets = load_diabetes(return_X_y=True)
    inputs = (inputs - inputs.mean(0)) / inputs.std(0)
    return inputs, (targets - targets.mean()) / targets.std()


def optimizer_of(name: str, rate: float):
    """By its rate, falling to zero: a constant rate leaves sign-like updates oscillating at its size."""
    changes = {"decay": 0.0} if name == "adamw" else {}
    return CATALOGUE[name](learning_rate=rate, schedule=Cosine(), **changes)


def trained(method, optimizer) -> tuple[np.ndarray, float]:
    """(w, the bias) of a linear model after full-batch training through the compiled step."""
    inputs, targets = diabetes()
    everything = Dataset(validation=0.0, test=0.0)
    data = Data(inputs=inputs, targets=targets[:, None])
    what = experiment(
        method, dataset=everything, model=Linear(), optimizer=optimizer, evaluation=Evaluation(train_limit=1)
    )
    what = replace(what, training=replace(what.training, epochs=STEPS, batch_size="all"))
    layer = weights(train(what, data))["output"]
    return np.asarray(layer["kernel"][:, 0], np.float64), float(layer["bias"][0])


def objective(w: np.ndarray, bias: float, l1: float, l2: float = 0.0) -> float:
    inputs, targets = diabetes()
    errors = inputs @ w + bias - targets
    return float(np.mean(errors**2) + l1 * np.abs(w).sum() + l2 / 2 * (w**2).sum())


USABLE = [name for name in CATALOGUE if name not in REFUSED]


@pytest.mark.parametrize("name", USABLE)
def test_proximal_l1_is_the_lasso_whatever_the_learning_rate(name):
    inputs, targets = diabetes()
    lasso = Lasso(alpha=STRENGTH / 2, tol=1e-12, max_iter=100_000).fit(inputs, targets)
    assert np.sum(lasso.coef_ == 0) == 6
    best = objective(lasso.coef_, lasso.intercept_, STRENGTH)
    assert best == pytest.approx(0.7434, abs=1e-4)
    for rate in RATES[name]:
        w, bias = trained(L1(strength=STRENGTH, proximal=True), optimizer_of(name, rate))
        np.testing.assert_array_equal(w == 0, lasso.coef_ == 0)
        assert objective(w, bias, STRENGTH) == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("name", USABLE)
def test_proximal_elastic_net_is_that_of_scikit_learn(name):
    inputs, targets = diabetes()
    alpha, ratio = (STRENGTH + RIDGE) / 2, STRENGTH / (STRENGTH + RIDGE)
    scikit = ScikitElasticNet(alpha=alpha, l1_ratio=ratio, tol=1e-12, max_iter=100_000).fit(inputs, targets)
    best = objective(scikit.coef_, scikit.intercept_, STRENGTH, RIDGE)
    w, bias = trained(ElasticNet(l1=STRENGTH, l2=RIDGE, proximal=True), optimizer_of(name, RATES[name][0]))
    np.testing.assert_array_equal(w == 0, scikit.coef_ == 0)
    assert objective(w, bias, STRENGTH, RIDGE) == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("name", USABLE)
def test_max_norm_is_the_minimum_in_the_ball(name):
    inputs, targets = diabetes()
    constraint = {"type": "ineq", "fun": lambda w: LIMIT**2 - w @ w, "jac": lambda w: -2 * w}
    best = minimize(
        lambda w: np.mean((inputs @ w - targets) ** 2), np.full(10, 0.01), constraints=[constraint],
        jac=lambda w: 2 * inputs.T @ (inputs @ w - targets) / len(inputs), options={"ftol": 1e-14, "maxiter": 1000},
    )  # fmt: skip
    assert np.linalg.norm(best.x) == pytest.approx(LIMIT)
    w, bias = trained(MaxNorm(limit=LIMIT), optimizer_of(name, RATES[name][0]))
    assert np.linalg.norm(w) <= LIMIT * (1 + 1e-6)
    assert objective(w, bias, 0.0) == pytest.approx(best.fun, abs=1e-4)


@pytest.mark.parametrize("name", sorted(REFUSED))
@pytest.mark.parametrize("method", ["l1: {proximal: true}", "elastic_net: {proximal: true}", "max_norm: {}"])
def test_an_optimizer_without_step_sizes_is_refused_at_the_method(name, method):
    from regexp.core.errors import ConfigError

    text = f"dataset: {{name: diabetes}}\noptimizer: {{name: {name}}}\nregularizers:\n  {method}\n"
    with pytest.raises(ConfigError, match=rf":4:3 .*{name} steps by the sign of the gradient.*choose sgd"):
        loads(text)


@pytest.mark.parametrize("other", ["gradient_clipping", "sam"])
def test_a_method_that_changes_the_gradient_gets_a_warning(other):
    text = f"dataset: {{name: diabetes}}\nregularizers:\n  {other}: true\n  l1: {{proximal: true}}\n"
    (warning,) = [str(w) for w in loads(text).warnings if "l1.proximal" in str(w)]
    assert f"where {other} changes the gradient" in warning


@pytest.mark.parametrize("optimizer", [Adam(), Adam(style="lecture"), AdamW()], ids=["adam", "lecture", "adamw"])
@pytest.mark.usefixtures("float64")
def test_adams_step_sizes_are_those_of_a_constant_gradient(optimizer):
    """After many updates with one gradient g, the update (without decay) is -P g."""
    params = {"layer": {"kernel": jax.numpy.zeros(3)}}
    gradient = {"layer": {"kernel": jax.numpy.asarray([1e-3, 0.5, -20.0])}}
    transform = replace(optimizer, **({"decay": 0.0} if isinstance(optimizer, AdamW) else {})).transform(0.1)
    state = transform.init(params)
    for _ in range(200):
        update, state = transform.update(gradient, state, params)
    sizes = optimizer.step_sizes(0.1, state, params)
    expected = -sizes["layer"]["kernel"] * gradient["layer"]["kernel"]
    np.testing.assert_allclose(update["layer"]["kernel"], expected, rtol=1e-8)
