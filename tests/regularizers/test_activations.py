"""What is dropped and added at random against enumeration and moments, batch normalisation against PyTorch."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regexp.core.prng import stream
from regexp.experiment import Training
from regexp.models.mlp import MLP
from regexp.models.resnet import ResNet
from regexp.regularizers.activations.activation_noise import ActivationNoise
from regexp.regularizers.activations.batch_norm import BatchNorm
from regexp.regularizers.activations.dropout import Dropout
from regexp.regularizers.activations.stochastic_depth import StochasticDepth
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


def logits(method, params, x, mode):
    """Of a network of four hidden units with this method, on rows x."""

    def at(name, h, depth=1.0):
        return method.transform_activation(h, Site(name, mode, stream(KEY, name)))

    return np.asarray(MLP(hidden=(4,)).apply(params, x, at), float)


def test_dropout_trains_the_16_subnetworks_of_four_units_each_with_its_share():
    """Their mean is the evaluation. `scaled` with weights W/keep after it is `inverted` with W, mask by mask."""
    generator = np.random.default_rng(5)
    hidden = {"kernel": generator.normal(size=(3, 4)), "bias": np.ones(4)}
    output = {"kernel": generator.normal(size=(4, 2)), "bias": np.array([0.3, -0.2])}
    larger = {**output, "kernel": output["kernel"] / 0.7}
    x = np.tile([0.2, -0.4, 1.0], (40_000, 1))
    h = np.maximum(x[0] @ hidden["kernel"] + 1, 0)
    assert np.all(h > 0)
    masks = np.array(list(itertools.product([0, 1], repeat=4)))
    probabilities = 0.7 ** masks.sum(1) * 0.3 ** (4 - masks.sum(1))
    exact = (masks * h / 0.7) @ output["kernel"] + output["bias"]
    networks = {
        "inverted": (Dropout(rate=0.3), {"hidden_0": hidden, "output": output}),
        "scaled": (Dropout(rate=0.3, mode="scaled"), {"hidden_0": hidden, "output": larger}),
    }
    for method, params in networks.values():
        np.testing.assert_allclose(logits(method, params, x[:1], "eval")[0], probabilities @ exact, atol=1e-5)
        drawn = logits(method, params, x, "train")
        which = np.abs(drawn[:, None] - exact).sum(2).argmin(1)
        np.testing.assert_allclose(drawn, exact[which], atol=1e-5)
        shares = np.bincount(which, minlength=16) / len(drawn)
        assert np.all(np.abs(shares - probabilities) < 4.5 * np.sqrt(probabilities * (1 - probabilities) / len(drawn)))
    inverted, scaled = (logits(*network, x, "train") for network in networks.values())
    np.testing.assert_allclose(inverted, scaled, atol=1e-5)


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
    assert len(np.unique(per_channel, axis=0)) == 50  # each example its own
    dense = jnp.ones((50, 30))  # has no channels: unit by unit
    spatial, plain = (masked(Dropout(rate=0.4, spatial=s), dense, 1) for s in (True, False))
    np.testing.assert_array_equal(spatial, plain)


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


@jax.jit
def normalised(x, bias, scale):
    site = Site(
        "hidden_0/pre",
        "train",
        parameters={"gamma": scale, "beta": scale},
        state={"mean": jnp.zeros(4), "variance": jnp.ones(4)},
    )
    return BatchNorm().transform_activation(x + bias, site)


@jax.jit
def bias_gradient(x, bias, scale):
    return jax.grad(lambda b: jnp.sum(jnp.sin(x) * normalised(x, b, scale)))(bias)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=4, max_size=4), st.sampled_from([2, 7, 32]), st.integers(0, 2**16))
def test_any_bias_before_batch_norm_cancels_and_gets_no_gradient(bias, size, seed):
    with jax.enable_x64(True):
        generator = np.random.default_rng(seed)
        x, scale, bias = generator.normal(size=(size, 4)), generator.normal(size=4), np.array(bias)
        np.testing.assert_allclose(normalised(x, bias, scale), normalised(x, np.zeros(4), scale), atol=1e-7)
        np.testing.assert_allclose(bias_gradient(x, bias, scale), 0, atol=1e-7)


def test_the_bias_that_cancels_is_left_out_and_the_others_stay():
    assert "bias" not in weights(train(experiment(BatchNorm()), steps=0))["hidden_0"]
    assert "bias" in weights(train(experiment(BatchNorm()), steps=0))["output"]


def test_running_statistics_live_in_the_carry_and_the_best_epoch():
    made = train(experiment(BatchNorm(), training=Training(epochs=3, batch_size=16)), images())
    running = made.state.variables.state["batch_norm"]["hidden_0/pre"]
    assert np.all(np.asarray(running["mean"]) != 0)
    assert "batch_norm" in made.state.best.variables.state


@pytest.mark.parametrize("mode", ["train", "mc"])
@pytest.mark.parametrize("form", ["additive", "multiplicative"])
def test_activation_noise_has_its_moments(form, mode):
    """E h' = h; the standard deviation is sigma, or sigma |h|."""
    h = jnp.broadcast_to(jnp.asarray([0.5, -1.0, 2.0, 4.0]), (50_000, 4))
    out = np.asarray(ActivationNoise(sigma=0.7, form=form).transform_activation(h, Site("hidden_0/post", mode, KEY)))
    spread = 0.7 * (np.ones(4) if form == "additive" else np.abs(h[0]))
    assert np.all(np.abs(out.mean(0) - h[0]) < 4.5 * spread / np.sqrt(len(h)))
    assert np.all(np.abs(out.std(0) - spread) < 4.5 * spread / np.sqrt(2 * len(h)))
    assert np.all(np.abs(np.corrcoef(out.T) - np.eye(4)) < 4.5 / np.sqrt(len(h)))


def test_activation_noise_acts_after_hidden_nonlinearities_and_never_at_evaluation():
    x, method = jnp.ones((3, 4)), ActivationNoise()
    for kind, mode in (("input", "train"), ("hidden_0/pre", "train"), ("block_0/residual", "train"),
                       ("hidden_0/post", "eval")):  # fmt: skip
        assert method.transform_activation(x, Site(kind, mode, KEY)) is x


def test_multiplicative_noise_has_the_variance_of_inverted_dropout():
    """sigma^2 = r/(1 - r), Srivastava et al. 2014, section 10."""
    rate, h = 0.2, jnp.full((1, 200_000), 3.0)
    dropped = masked(Dropout(rate=rate), h, 1).var()
    noisy = masked(ActivationNoise(sigma=0.5, form="multiplicative"), h, 1).var()
    assert float(dropped) == pytest.approx(9 * rate / (1 - rate), rel=0.02)
    assert float(noisy) == pytest.approx(float(dropped), rel=0.03)


SLOPES = (0.5, -0.3, 2.0)  # of three residual blocks h + a h


def residual(method, mode, size):
    """Three blocks on `size` examples that are 1."""
    h = jnp.ones((size, 1, 1, 1))
    for block, (key, a) in enumerate(zip(jax.random.split(jnp.asarray(KEY), 3), SLOPES, strict=True)):
        site = Site(f"block_{block}/residual", mode, key, depth=(block + 1) / 3)
        h = h + method.transform_activation(a * h, site)
    return np.asarray(h).ravel()


@pytest.mark.parametrize("mode", ["inverted", "scaled"])
def test_stochastic_depth_has_the_mean_of_its_evaluation(mode):
    """All 2^3 subsets of the blocks, weighted by their probability, give the evaluation output; drawn per example."""
    method, keep = StochasticDepth(rate=0.6, mode=mode), 1 - 0.6 * np.array([1, 2, 3]) / 3
    masks = np.array(list(itertools.product([0, 1], repeat=3)))
    probabilities = np.prod(np.where(masks, keep, 1 - keep), 1)
    outputs = np.prod(1 + masks * SLOPES / (keep if mode == "inverted" else 1), 1)
    np.testing.assert_allclose(residual(method, "eval", 1), probabilities @ outputs, rtol=1e-6)
    for drawn in (residual(method, "train", 40_000), residual(method, "mc", 40_000)):
        which = np.abs(drawn[:, None] - outputs).argmin(1)
        np.testing.assert_allclose(drawn, outputs[which], rtol=1e-5)
        shares = np.bincount(which, minlength=8) / len(drawn)
        assert np.all(np.abs(shares - probabilities) < 4.5 * np.sqrt(probabilities * (1 - probabilities) / len(drawn)))


def test_stochastic_depth_meets_the_blocks_of_a_residual_network_alone():
    depths = {}

    def record(name, x, depth=1.0):
        if name.endswith("/residual"):
            depths[name] = depth
        return x

    model = ResNet(depth=14, width=2)
    params = model.init(jax.random.PRNGKey(0), (6, 6, 3), 3, lambda layer: True)
    model.apply(params, jnp.ones((1, 6, 6, 3)), record)
    assert depths == {f"block_{i}/residual": pytest.approx((i + 1) / 6) for i in range(6)}
    x = jnp.ones((3, 4))
    assert StochasticDepth().transform_activation(x, Site("block_0/post", "train", KEY)) is x
    assert StochasticDepth().conflicts(experiment(model=model)) == []
    assert "mlp has none" in StochasticDepth().conflicts(experiment(model=MLP()))[0].message
