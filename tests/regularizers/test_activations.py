"""Dropout against enumeration and expectation, batch normalisation against PyTorch."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from regexp.experiment import Training
from regexp.regularizers.activations.batch_norm import BatchNorm
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.base import Site
from tests.lab import experiment, images, train, weights

KEY = np.asarray([1, 2], np.uint32)


def masked(method, x, n, kind="hidden_0/post"):
    """n independent draws of the activation."""
    keys = jax.random.split(jnp.asarray(KEY), n)
    return jax.vmap(lambda k: method.transform_activation(x, Site(kind, "train", k)))(keys)


@pytest.mark.parametrize("mode", ["inverted", "scaled"])
def test_dropout_over_a_linear_layer_has_the_mean_of_its_evaluation(mode):
    """All 2^4 masks of four units, weighted by their probability, give the evaluation output."""
    method, h = Dropout(rate=0.3, mode=mode), np.array([0.5, -1.0, 2.0, 3.0])
    w = np.array([[1.0, -1], [2, 0.5], [-0.3, 1], [0.7, 2]])
    scale = 1 / 0.7 if mode == "inverted" else 1.0
    exact = sum(
        0.7 ** sum(mask) * 0.3 ** (4 - sum(mask)) * scale * (np.array(mask) * h) @ w
        for mask in itertools.product([0, 1], repeat=4)
    )
    evaluated = method.transform_activation(jnp.asarray(h[None]), Site("hidden_0/post", "eval")) @ w
    np.testing.assert_allclose(evaluated[0], exact, rtol=1e-6, atol=1e-6)
    drawn = masked(method, jnp.asarray(h[None], jnp.float32), 40_000)[:, 0]
    patterns = {tuple(row) for row in np.asarray(drawn != 0).astype(int)}
    assert len(patterns) == 16  # every mask occurs
    error = np.asarray(drawn @ w).std(0) / np.sqrt(len(drawn))
    assert np.all(np.abs(np.asarray(drawn @ w).mean(0) - exact) < 4.5 * error)


def test_dropout_rates_per_layer_and_for_inputs():
    method = Dropout(rate=0.5, input_rate=0.1, layers={"conv_*": 0.2})
    ones = jnp.ones((100, 400))
    for site, rate in {"input": 0.1, "conv_1/post": 0.2, "hidden_0/post": 0.5}.items():
        share = float((masked(method, ones, 1, site) == 0).mean())
        assert abs(share - rate) < 4.5 * np.sqrt(rate * (1 - rate) / 40_000)
    assert method.transform_activation(ones, Site("hidden_0/pre", "train", KEY)) is ones


def test_spatial_dropout_takes_whole_channels():
    x = jnp.ones((50, 4, 4, 30))
    out = np.asarray(masked(Dropout(rate=0.4, spatial=True), x, 1)[0])
    per_channel = (out == 0).mean((1, 2))
    assert set(np.unique(per_channel)) == {0.0, 1.0}
    assert abs(per_channel.mean() - 0.4) < 4.5 * np.sqrt(0.24 / 1500)


def test_monte_carlo_mode_draws_and_evaluation_does_not():
    ones, method = jnp.ones((10, 100)), Dropout(rate=0.5)
    assert np.all(method.transform_activation(ones, Site("hidden_0/post", "eval")) == 1)
    assert np.any(method.transform_activation(ones, Site("hidden_0/post", "mc", KEY)) == 0)


def torch_batch_norm(x, steps, momentum):
    torch = pytest.importorskip("torch", reason="the oracle: pip install '.[oracles]'")
    conv = x.ndim == 5
    layer = (torch.nn.BatchNorm2d if conv else torch.nn.BatchNorm1d)(
        x.shape[-1], momentum=momentum, dtype=torch.float64
    )
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(0.5, 1.5, x.shape[-1]))
        layer.bias.copy_(torch.linspace(-1, 1, x.shape[-1]))
    gradients, outputs = [], []
    for batch in x[:steps]:
        given = torch.tensor(np.moveaxis(batch, -1, 1) if conv else batch, requires_grad=True)
        out = layer(given)
        (out**3).sum().backward()
        back = (lambda a: np.moveaxis(a, 1, -1)) if conv else (lambda a: a)
        outputs.append(back(out.detach().numpy()))
        gradients.append(back(given.grad.numpy()))
    return layer, outputs, gradients


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("shape", [(3, 16, 5), (3, 4, 6, 6, 5)])
def test_batch_norm_is_torchs_forward_backward_and_running(shape):
    x = np.random.default_rng(0).normal(2, 3, shape)
    layer, outputs, gradients = torch_batch_norm(x, 3, momentum=0.2)
    method = BatchNorm(momentum=0.2)
    parameters = {"gamma": jnp.linspace(0.5, 1.5, 5), "beta": jnp.linspace(-1, 1, 5)}
    state = {"mean": jnp.zeros(5), "variance": jnp.ones(5)}
    for batch, out, gradient in zip(x, outputs, gradients, strict=True):
        site = Site("hidden_0/pre", "train", parameters=parameters, state=state)
        np.testing.assert_allclose(method.transform_activation(batch, site), out, rtol=1e-10, atol=1e-10)

        def cubed(x, state=state):
            inner = Site("hidden_0/pre", "train", parameters=parameters, state=state)
            return jnp.sum(method.transform_activation(x, inner) ** 3)

        np.testing.assert_allclose(jax.grad(cubed)(jnp.asarray(batch)), gradient, rtol=1e-8, atol=1e-8)
        state = site.new_state
    np.testing.assert_allclose(state["mean"], layer.running_mean.numpy(), rtol=1e-10)
    np.testing.assert_allclose(state["variance"], layer.running_var.numpy(), rtol=1e-10)


@pytest.mark.usefixtures("float64")
def test_a_bias_before_batch_norm_cancels():
    x = jnp.asarray(np.random.default_rng(1).normal(size=(32, 4)))
    parameters = {"gamma": jnp.ones(4), "beta": jnp.zeros(4)}
    state = {"mean": jnp.zeros(4), "variance": jnp.ones(4)}

    def normalised(shift):
        site = Site("hidden_0/pre", "train", parameters=parameters, state=state)
        return BatchNorm().transform_activation(x + shift, site)

    np.testing.assert_allclose(normalised(jnp.full(4, 7.0)), normalised(0.0), atol=1e-12)


def test_the_bias_that_cancels_is_left_out_and_the_others_stay():
    assert "bias" not in weights(train(experiment(BatchNorm()), steps=0))["hidden_0"]
    assert "bias" in weights(train(experiment(BatchNorm()), steps=0))["output"]


def test_running_statistics_live_in_the_carry_and_the_best_epoch():
    made = train(experiment(BatchNorm(), training=Training(epochs=3, batch_size=16)), images())
    running = made.state.variables.state["batch_norm"]["hidden_0/pre"]
    assert np.all(np.asarray(running["mean"]) != 0)
    assert "batch_norm" in made.state.best.variables.state
