"""DropConnect against enumeration, weight normalisation against PyTorch, weight noise against its moments."""

from __future__ import annotations

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from regexp.config import loads
from regexp.core.errors import ConfigError
from regexp.datasets.base import Dataset
from regexp.datasets.splits import split
from regexp.engine import step
from regexp.engine.prepare import prepare_lane, spec_of
from regexp.engine.saved import nested_names
from regexp.engine.step import forward, init_variables
from regexp.experiment import Training, Trial
from regexp.models import layers
from regexp.models.mlp import MLP
from regexp.optimizers.sgd import SGD
from regexp.regularizers.base import Site
from regexp.regularizers.weights.dropconnect import DropConnect
from regexp.regularizers.weights.weight_noise import WeightNoise
from regexp.regularizers.weights.weight_norm import WeightNorm
from tests.lab import experiment, flat, table, train

KEY = jnp.asarray([1, 2], jnp.uint32)
X = np.array([[0.5, -1.0], [2.0, 3.0]])
W = np.array([[1.0, -0.4], [0.7, 2.0]])
R = 0.3


def no_site(name, x, depth=1.0):
    return x


def layer(w=W):
    return {"hidden_0": {"kernel": jnp.asarray(w), "bias": jnp.zeros(w.shape[-1])}}


def masked(method, params, key=KEY, examples=2, mode="train"):
    return method.transform_weights(params, Site("weights", mode, key, examples=examples))


def every_mask():
    """(probability, w') of all 2^4 masks."""
    for mask in itertools.product([0, 1], repeat=4):
        kept = sum(mask)
        yield (1 - R) ** kept * R ** (4 - kept), np.reshape(mask, (2, 2)) * W / (1 - R)


# -- dropconnect ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("float64")
def test_dropconnect_has_the_mean_of_its_evaluation_over_all_masks():
    exact = sum(p * X @ w for p, w in every_mask())
    evaluated = layers.dense(masked(DropConnect(rate=R), layer(), mode="eval")["hidden_0"], X)
    np.testing.assert_allclose(evaluated, exact, rtol=1e-12)
    keys = jax.random.split(KEY, 20_000)
    drawn = np.asarray(jax.vmap(lambda k: masked(DropConnect(rate=R), layer(), k)["hidden_0"]["kernel"])(keys))
    counts = np.unique((drawn != 0).reshape(-1, 4) @ [8, 4, 2, 1], return_counts=True)[1]
    expected = [(1 - R) ** sum(m) * R ** (4 - sum(m)) * len(keys) for m in itertools.product([0, 1], repeat=4)]
    assert stats.chisquare(counts, expected).pvalue > 1e-3
    for kernel in drawn[:20]:
        np.testing.assert_allclose(kernel, (kernel != 0) * W / (1 - R), rtol=1e-6)  # the rate is a float32


def test_each_example_draws_its_own_mask_where_asked():
    w = np.ones((30, 40), np.float32)
    shared = masked(DropConnect(rate=R), layer(w), examples=50)["hidden_0"]["kernel"]
    own = np.asarray(masked(DropConnect(rate=R, per_example=True), layer(w), examples=50)["hidden_0"]["kernel"])
    assert shared.shape == w.shape
    assert own.shape == (50, *w.shape)
    dropped = (own == 0).reshape(50, -1)
    assert len(np.unique(dropped, axis=0)) == 50
    assert abs(dropped.mean() - R) < 4.5 * np.sqrt(R * (1 - R) / dropped.size)
    agreement = np.corrcoef(dropped)[np.triu_indices(50, 1)]
    assert np.max(np.abs(agreement)) < 6 / np.sqrt(dropped.shape[1])
    mixed = masked(DropConnect(rate=0.5, layers={"hidden_*": 0.0}), layer(w))["hidden_0"]["kernel"]
    np.testing.assert_array_equal(mixed, w)


def test_a_kernel_for_each_example_is_a_loop_over_examples():
    generator = np.random.default_rng(0)
    x = jnp.asarray(generator.normal(size=(4, 6, 5, 2)), jnp.float32)
    kernels = jnp.asarray(generator.normal(size=(4, 3, 3, 2, 3)), jnp.float32)
    for stride, padding in ((1, "same"), (2, "same"), (1, "valid")):
        together = layers.conv(x, kernels, stride, padding)
        alone = [layers.conv(x[i : i + 1], kernels[i], stride, padding)[0] for i in range(4)]
        np.testing.assert_allclose(together, np.stack(alone), rtol=1e-5, atol=1e-6)
    kernels = jnp.asarray(generator.normal(size=(4, 10, 7)), jnp.float32)
    flat_x, bias = x.reshape(4, -1)[:, :10], jnp.arange(7.0)
    together = layers.dense({"kernel": kernels, "bias": bias}, flat_x)
    alone = [flat_x[i] @ kernels[i] + bias for i in range(4)]
    np.testing.assert_allclose(together, np.stack(alone), rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("float64")
def test_the_gaussian_inference_has_the_moments_over_all_masks():
    mean = sum(p * X @ w for p, w in every_mask())
    variance = sum(p * (X @ w - mean) ** 2 for p, w in every_mask())
    given = masked(DropConnect(rate=R, inference="gaussian"), layer(), mode="eval")["hidden_0"]
    np.testing.assert_allclose(layers.dense(given, X), mean, rtol=1e-12)
    np.testing.assert_allclose(np.square(X) @ given["variance"], variance, rtol=1e-12)


@pytest.mark.usefixtures("float64")
def test_the_gaussian_inference_averages_the_nonlinearity():
    """E relu(N(m, s^2)) = m Phi(m/s) + s phi(m/s), the mean of SciPy's distributions."""
    samples = 20_000
    params = masked(DropConnect(rate=R, inference="gaussian", samples=samples), layer(), mode="eval")
    average = layers.hidden(params, "hidden_0", X, no_site, "relu")
    m, s = X @ W, np.sqrt(np.square(X) @ (np.square(W) * R / (1 - R)))
    exact = m * stats.norm.cdf(m / s) + s * stats.norm.pdf(m / s)
    assert np.all(np.abs(average - exact) < 4.5 * s / np.sqrt(samples))
    off = masked(DropConnect(rate=0.0, inference="gaussian", samples=3), layer(), mode="eval")
    np.testing.assert_allclose(layers.hidden(off, "hidden_0", X, no_site, "relu"), np.maximum(m, 0), atol=1e-10)


def test_the_gaussian_inference_can_be_attacked_and_halved():
    method = DropConnect(rate=0.0, inference="gaussian", samples=2)
    params = masked(method, layer(), mode="eval")
    slope = jax.grad(lambda x: layers.hidden(params, "hidden_0", x, no_site, "relu").sum())(jnp.zeros((1, 2)))
    assert np.all(np.isfinite(slope))
    setting = experiment(replace(method, rate=0.2), training=Training(precision="bfloat16"))
    trial, data = Trial(experiment=setting, seed=0), table()
    spec, lane = spec_of(setting, data), prepare_lane(trial, data, split(Dataset(), data, 0))
    outputs = forward(setting, spec, lane, init_variables(setting, spec, lane), data.inputs[:8], "eval").outputs
    assert outputs.dtype == np.float32
    assert np.all(np.isfinite(outputs))


# -- weight norm ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def normed():
    """(method's MLP before and after one full-batch SGD step, the rows of that step)."""
    setting = experiment(
        WeightNorm(),
        model=MLP(hidden=(7,), activation="tanh"),
        optimizer=SGD(learning_rate=0.3),
        training=Training(epochs=1, batch_size="all"),
    )
    return setting, train(setting, table(), steps=0), train(setting, table(), steps=1)


def test_weight_norm_starts_from_the_same_function(normed):
    setting, before, _ = normed
    parameters = jax.tree.map(lambda x: x[0], before.state.variables.parameters)
    np.testing.assert_allclose(flat(step.weights(setting, parameters)), flat(parameters["model"]), rtol=1e-6)
    plain = init_variables(replace(setting, regularizers=()), before.spec, jax.tree.map(lambda x: x[0], before.lane))
    np.testing.assert_allclose(flat(parameters["model"]), flat(plain.parameters["model"]), rtol=1e-6)


def test_weight_norm_is_torchs_forward_and_gradients(normed):
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    _, before, after = normed
    data, rows, first = table(), before.splits[0].train, variables(before)
    stack = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 1)).double()
    dense = {"hidden_0": stack[0], "output": stack[2]}
    for name, one in dense.items():
        with torch.no_grad():
            one.weight.copy_(torch.tensor(first[f"model:{name}:kernel"].T))
            one.bias.copy_(torch.tensor(first[f"model:{name}:bias"]))
        torch.nn.utils.parametrizations.weight_norm(one, dim=0)
    x, y = (torch.tensor(a[rows].astype(np.float64)) for a in (data.inputs, data.targets))
    loss = ((stack(x) - (y - y.mean(0)) / y.std(0, correction=0)) ** 2).mean()
    loss.backward()
    assert after.rows[0]["loss/data"] == pytest.approx(loss.item(), rel=1e-5)
    torch.optim.SGD(stack.parameters(), lr=0.3).step()
    then = variables(after)
    for name, one in dense.items():
        g, v = one.parametrizations.weight.original0, one.parametrizations.weight.original1
        np.testing.assert_allclose(then[f"weight_norm:{name}:gain"], g.detach().numpy().T, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(then[f"model:{name}:kernel"], v.detach().numpy().T, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(then[f"model:{name}:bias"], one.bias.detach().numpy(), rtol=1e-5, atol=1e-5)
        assert np.max(np.abs(then[f"weight_norm:{name}:gain"] - first[f"weight_norm:{name}:gain"])) > 1e-3


def variables(made):
    """{"model:hidden_0:kernel": array, ...} of the first lane."""
    return {name: np.asarray(x)[0] for name, x in nested_names(made.state.variables.parameters).items()}


def test_a_convolution_is_normed_per_output_channel():
    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(3, 3, 2, 5)), jnp.float32)
    params = {"conv_0": {"kernel": kernel}}
    own = WeightNorm().weight_variables(params)
    lengths = [np.linalg.norm(kernel[..., i]) for i in range(5)]
    np.testing.assert_allclose(own["conv_0"]["gain"].ravel(), lengths, rtol=1e-6)
    doubled = {"conv_0": {"gain": 2 * own["conv_0"]["gain"]}}
    back = WeightNorm().reparametrize({"conv_0": {"kernel": 7 * kernel}}, doubled)
    np.testing.assert_allclose(back["conv_0"]["kernel"], 2 * kernel, rtol=1e-5)


def test_what_shortens_v_is_a_config_error():
    with pytest.raises(ConfigError) as caught:
        loads("regularizers:\n  max_norm:\n  weight_norm:\n")
    (problem,) = caught.value.problems
    assert (problem.line, problem.column) == (3, 3)
    assert problem.message.startswith("max_norm changes v after the update")
    loads("regularizers: {l1: , weight_norm: }")  # its gradient is of w
    with pytest.raises(ConfigError):
        loads("regularizers: {l1: {proximal: true}, weight_norm: }")


# -- weight noise -----------------------------------------------------------------------------------------------------


def test_weight_noise_has_its_moments_and_leaves_biases_and_evaluation_alone():
    w = np.full((300, 200), 0.5, np.float32)
    method, params = WeightNoise(sigma=0.2), {**layer(w), "output": {"kernel": jnp.asarray(w)}}
    noisy = masked(method, params)
    assert noisy["hidden_0"]["bias"] is params["hidden_0"]["bias"]
    for name in params:
        z = (np.asarray(noisy[name]["kernel"]) - 0.5) / 0.2
        assert stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    assert not np.array_equal(noisy["hidden_0"]["kernel"], noisy["output"]["kernel"])
    again = masked(method, params, jnp.asarray([1, 3], jnp.uint32))
    assert not np.array_equal(noisy["hidden_0"]["kernel"], again["hidden_0"]["kernel"])
    for mode in ("eval", "statistics"):
        assert masked(method, params, None, mode=mode) is params
    assert masked(method, params, mode="mc") is not params


@pytest.mark.usefixtures("float64")
def test_weight_noise_adds_half_sigma_squared_times_the_trace():
    """Of a linear model's squared error the Hessian is 2 X'X/n: the mean over draws is exact."""
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20.0)
    w = jnp.asarray([[1.0], [-2.0], [0.5]])
    keys = jax.random.split(KEY, 20_000)
    drawn = jax.vmap(lambda k: masked(WeightNoise(sigma=0.3), {"output": {"kernel": w}}, k)["output"]["kernel"])(keys)
    losses = np.mean((np.einsum("ni,dio->dn", x, drawn) - y) ** 2, 1)
    exact = np.mean((x @ w[:, 0] - y) ** 2) + 0.09 / 2 * np.trace(2 * x.T @ x / 20)
    assert abs(losses.mean() - exact) < 4.5 * losses.std() / np.sqrt(len(keys))
