"""Penalties and constraints on parameters: exact steps, scikit-learn's linear models, AdamW, torch's renorm."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import ElasticNet as ScikitElasticNet
from sklearn.linear_model import Lasso, Ridge

from regexp.datasets.base import Dataset
from regexp.engine.step import optimizer_chain
from regexp.experiment import Training
from regexp.models.linear import Linear
from regexp.models.mlp import MLP
from regexp.optimizers.adam import Adam
from regexp.optimizers.gd import GD
from regexp.optimizers.sgd import SGD
from regexp.regularizers.parameters.elastic_net import ElasticNet
from regexp.regularizers.parameters.l1 import L1
from regexp.regularizers.parameters.l2 import L2
from regexp.regularizers.parameters.max_norm import MaxNorm
from regexp.regularizers.parameters.weight_decay import WeightDecay
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


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1), st.floats(0, 10), st.integers(0, 2**16))
def test_the_l2_update_is_the_formula_in_double_precision(rate, strength, seed):
    """(1 - eps a) w - eps g"""
    generator = np.random.default_rng(seed)
    w, g = generator.normal(size=(2, 3, 4))
    with jax.enable_x64(True):
        params = {"output": {"kernel": jnp.asarray(w)}}
        grads = jax.grad(lambda p: jnp.sum(g * p["output"]["kernel"]) + L2(strength=strength).penalty(p))(params)
        chain = SGD().transform(rate)
        updates, _ = chain.update(grads, chain.init(params), params)
        moved = optax.apply_updates(params, updates)["output"]["kernel"]
    np.testing.assert_allclose(moved, (1 - rate * strength) * w - rate * g, rtol=1e-12, atol=1e-14)


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
    out = L1(strength=1.0, proximal=True).project({"output": {"kernel": w}}, {"output": {"kernel": 0.1}})
    np.testing.assert_allclose(out["output"]["kernel"], [[-0.9, 0, 0, 0, 0.9]], rtol=1e-6)
    assert flat(out).dtype == np.float32


@pytest.mark.usefixtures("float64")
def test_elastic_net_is_the_sum_of_lasso_and_ridge_times_the_layers_factor():
    both = ElasticNet(l1=0.3, l2=0.7)
    assert both.penalty(KERNELS) == pytest.approx(L1(strength=0.3).penalty(KERNELS) + L2(strength=0.7).penalty(KERNELS))
    layers = {"*": 0.5, "output": 0.0}
    a = KERNELS["hidden_0"]["kernel"]
    expected = 0.5 * (0.3 * abs(a).sum() + 0.35 * (a**2).sum())
    assert ElasticNet(l1=0.3, l2=0.7, layers=layers).penalty(KERNELS) == pytest.approx(expected, rel=1e-12)
    sizes = jax.tree.map(lambda _: 0.1, KERNELS)
    moved = ElasticNet(l1=0.3, l2=0.7, layers=layers, proximal=True).project(KERNELS, sizes)
    np.testing.assert_array_equal(moved["output"]["kernel"], KERNELS["output"]["kernel"])
    shrunk = np.sign(a) * np.maximum(abs(a) - 0.015, 0) / 1.035
    np.testing.assert_allclose(moved["hidden_0"]["kernel"], shrunk, rtol=1e-12)
    np.testing.assert_array_equal(moved["hidden_0"]["bias"], KERNELS["hidden_0"]["bias"])


RATES = 0.1 / np.sqrt(1 + np.arange(12))


def moved(what):
    """KERNELS and another method's parameter after twelve updates at falling rates; `what(rate)` is rebuilt at each."""
    params = {"model": KERNELS, "batch_norm": {"hidden_0/pre": {"gamma": np.ones(4)}}}
    state = None
    for rate in RATES:
        chain = what(rate)
        state = chain.init(params) if state is None else state
        updates, state = chain.update(jax.tree.map(lambda w: jnp.sin(3 * w) + 0.1, params), state, params)
        params = optax.apply_updates(params, updates)
    return params


def decoupled(method, optimizer):
    """The optimizer and weight decay as a step puts them together."""
    return moved(lambda rate: optimizer_chain(experiment(method, optimizer=optimizer), rate))


@pytest.mark.usefixtures("float64")
def test_weight_decay_beside_adam_is_optaxs_and_torchs_adamw_on_kernels_alone():
    ours = decoupled(WeightDecay(strength=0.3), Adam(epsilon=1e-4))
    kernels = jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", ours)
    theirs = moved(lambda rate: optax.adamw(rate, eps=1e-4, weight_decay=0.3, mask=kernels))
    np.testing.assert_allclose(flat(ours), flat(theirs), rtol=1e-12)
    by_layer = decoupled(WeightDecay(strength=0.3, layers={"output": 0.0, "hidden_*": 0.7}), Adam(epsilon=1e-4))
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    leaves = {(layer, name): torch.tensor(w.copy(), requires_grad=True)
              for layer, arrays in KERNELS.items() for name, w in arrays.items()}  # fmt: skip
    groups = [{"params": [leaf], "weight_decay": 0.7 if place == ("hidden_0", "kernel") else 0.0}
              for place, leaf in leaves.items()]  # fmt: skip
    adamw = torch.optim.AdamW(groups, eps=1e-4)
    for rate in RATES:
        for group in adamw.param_groups:
            group["lr"] = rate
        for leaf in leaves.values():
            leaf.grad = (torch.sin(3 * leaf) + 0.1).detach()
        adamw.step()
    for (layer, name), leaf in leaves.items():
        np.testing.assert_allclose(by_layer["model"][layer][name], leaf.detach().numpy(), rtol=1e-10)


@pytest.mark.usefixtures("float64")
def test_weight_decay_is_l2_under_sgd_and_not_under_adam():
    def coupled(optimizer):
        chain = optimizer.transform
        penalty = jax.grad(L2(strength=0.3).penalty)

        def with_l2(rate):
            def update(grads, state, params):
                own = {**grads, "model": jax.tree.map(jnp.add, grads["model"], penalty(params["model"]))}
                return chain(rate).update(own, state, params)

            return optax.GradientTransformation(chain(rate).init, update)

        return moved(with_l2)

    for optimizer, same in ((SGD(), True), (Adam(), False)):
        decayed, penalised = flat(decoupled(WeightDecay(strength=0.3), optimizer)), flat(coupled(optimizer))
        assert np.allclose(decayed, penalised, rtol=1e-12) is same


def scikit_elastic_net(a1, a2, x, y):
    """mean (y - f)^2 + a1 ||w||_1 + a2/2 ||w||^2  =  2 ( 1/(2n) ||y - f||^2 + a1/2 ||w||_1 + (a2/2)/2 ||w||^2 )"""
    oracle = ScikitElasticNet(alpha=(a1 + a2) / 2, l1_ratio=a1 / (a1 + a2), tol=1e-14, max_iter=100_000)
    return oracle.fit(x, y)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("proximal", [True, False])
def test_the_minimum_with_elastic_net_is_scikits(proximal):
    """Proximal gradient descent arrives there; with the subgradient it is a stationary point."""
    data = table()
    x, y = data.inputs.astype(float), data.targets.astype(float)
    x, y = x - x.mean(0), (y - y.mean()) / y.std()
    oracle = scikit_elastic_net(0.4, 0.3, x, y[:, 0]).coef_[:, None]
    assert 0 < np.sum(oracle == 0) < len(oracle)
    method = ElasticNet(l1=0.4, l2=0.3, proximal=proximal)

    def gradient(w):
        return jax.grad(lambda w: jnp.mean((y - x @ w) ** 2))(w)

    if proximal:

        def step(_, w):
            moved = {"output": {"kernel": w - 0.1 * gradient(w)}}
            return method.project(moved, {"output": {"kernel": 0.1}})["output"]["kernel"]

        w = jax.lax.fori_loop(0, 1000, step, jnp.zeros((5, 1)))
        np.testing.assert_allclose(w, oracle, atol=1e-12)
        np.testing.assert_array_equal(w == 0, oracle == 0)
    else:
        pull = gradient(oracle) + jax.grad(lambda w: method.penalty({"output": {"kernel": w}}))(oracle)
        np.testing.assert_allclose(pull[oracle != 0], 0, atol=1e-6)
        assert np.all(np.abs(pull[oracle == 0]) < 0.4)  # 0 is in the subdifferential [g - a1, g + a1]


def test_linear_model_with_proximal_elastic_net_is_scikits_with_its_zeros():
    layer, x, y = fitted(ElasticNet(l1=0.4, l2=0.3, proximal=True), epochs=3000, rate=0.1)
    oracle = scikit_elastic_net(0.4, 0.3, x, y)
    assert np.any(oracle.coef_ == 0)
    np.testing.assert_array_equal(layer["kernel"][:, 0] == 0, oracle.coef_ == 0)
    np.testing.assert_allclose(layer["kernel"][:, 0], oracle.coef_, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(layer["bias"][0], oracle.intercept_, atol=1e-5)


def test_elastic_net_beside_another_penalty_is_a_warning():
    (problem,) = ElasticNet().conflicts(experiment(ElasticNet(), WeightDecay()))
    assert problem.severity == "warning"
    assert problem.message.startswith("elastic_net and weight_decay")
    assert ElasticNet().conflicts(experiment(ElasticNet())) == []


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shape", [(7, 5), (3, 3, 4, 6)], ids=["dense", "conv"])
def test_max_norm_is_torchs_renorm_and_keras_formula(shape):
    w = np.random.default_rng(0).normal(size=shape) * np.linspace(0.1, 2, shape[-1])
    norms = np.sqrt((w**2).sum(tuple(range(len(shape) - 1))))
    assert norms.min() < 2 < norms.max()
    params = {"layer": {"kernel": jnp.asarray(w), "bias": 9 * jnp.ones(shape[-1])}}
    projected = MaxNorm(limit=2.0).project(params, {"layer": {"kernel": 0.1}})
    ours = projected["layer"]["kernel"]
    np.testing.assert_allclose(ours, w * (np.clip(norms, 0, 2) / (1e-7 + norms)), rtol=1e-6)
    np.testing.assert_array_equal(ours[..., norms <= 2], w[..., norms <= 2])
    np.testing.assert_array_equal(projected["layer"]["bias"], 9)
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    theirs = torch.renorm(torch.tensor(w), p=2, dim=len(shape) - 1, maxnorm=2.0)
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6)


def test_after_training_with_max_norm_no_unit_is_above_the_limit():
    setting = {"optimizer": SGD(learning_rate=0.3)}
    free, bound = (weights(train(experiment(*m, **setting))) for m in ([], [MaxNorm(limit=1.0)]))
    for layer in free:
        assert np.linalg.norm(free[layer]["kernel"], axis=0).max() > 1
        assert np.linalg.norm(bound[layer]["kernel"], axis=0).max() <= 1 + 1e-6
