"""The locally connected layer against JAX's own, against convolution and by its count of parameters."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from regexp.core.errors import UsageError
from regexp.initializers.he import He
from regexp.models.cnn import CNN
from regexp.models.layers import conv, init_local, local
from regexp.regularizers.base import Site
from regexp.regularizers.parameters.max_norm import MaxNorm
from regexp.regularizers.weights.dropconnect import DropConnect
from regexp.regularizers.weights.weight_norm import WeightNorm

KEY = jnp.asarray([1, 2], jnp.uint32)
GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(3, 7, 5, 2)).astype(np.float32)


def places(side, padding):
    cut = 0 if padding == "same" else side - 1
    return 7 - cut, 5 - cut


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_it_is_jaxs_and_with_equal_kernels_it_is_convolution(side, padding):
    height, width = places(side, padding)
    kernel = GENERATOR.normal(size=(height * width, side * side * 2, 4)).astype(np.float32)
    # JAX's order of a window is (channel, row, column)
    theirs = kernel.reshape(height, width, side, side, 2, 4).transpose(0, 1, 4, 2, 3, 5).reshape(height, width, -1, 4)
    expected = lax.conv_general_dilated_local(
        X, theirs, (1, 1), padding.upper(), (side, side), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    np.testing.assert_allclose(local(X, kernel, side, padding), expected, atol=1e-5)
    one = kernel[0].reshape(side, side, 2, 4)
    np.testing.assert_allclose(
        local(X, np.broadcast_to(kernel[:1], kernel.shape), side, padding), conv(X, one, padding=padding), atol=1e-5
    )
    own = np.stack([kernel, 2 * kernel, -kernel])
    scale = np.array([1, 2, -1])[:, None, None, None]
    np.testing.assert_allclose(local(X, own, side, padding), scale * expected, atol=1e-5)


def test_every_place_draws_a_kernel_of_its_own_for_the_window_it_sees():
    made = init_local(He(), KEY, "conv_0", (3, 3, 8, 500), (4, 2), lambda layer: True)
    kernel = np.asarray(made["kernel"])
    assert kernel.shape == (8, 72, 500)
    assert np.abs(np.corrcoef(kernel.reshape(8, -1)) - np.eye(8)).max() < 4.5 / np.sqrt(36000)
    np.testing.assert_allclose(kernel.std((1, 2)), np.sqrt(2 / 72), rtol=4.5 / np.sqrt(2 * 36000))
    assert made["bias"].shape == (500,)


@pytest.mark.parametrize(("padding", "pooling"), [("same", "max"), ("valid", "average"), ("same", "none")])
def test_the_model_with_one_kernel_at_all_places_is_the_tied_one(padding, pooling):
    fields = {"filters": (3, 2), "kernel_sizes": (3, 2), "hidden": (), "padding": padding, "pooling": pooling}
    tied, untied = CNN(**fields), CNN(**fields, tied=False)
    shape = (9, 8, 2)
    x = GENERATOR.normal(size=(2, *shape)).astype(np.float32)
    params = tied.init(KEY, shape, 3, lambda layer: True)
    other = untied.init(KEY, shape, 3, lambda layer: True)
    for name in ("conv_0", "conv_1"):
        kernel = params[name]["kernel"]
        count = other[name]["kernel"].shape[0]
        assert other[name]["kernel"].shape == (count, np.prod(kernel.shape[:3]), kernel.shape[3])
        assert other[name]["bias"].shape == kernel.shape[3:]
    cut = (2, 1) if padding == "valid" else (0, 0)
    area = (9 - cut[0]) * (8 - cut[0])
    shrunk = 2 if pooling != "none" else 1
    second = ((9 - cut[0]) // shrunk - cut[1]) * ((8 - cut[0]) // shrunk - cut[1])
    assert [other[f"conv_{i}"]["kernel"].shape[0] for i in (0, 1)] == [area, second]
    spread = {
        name: {**own, "kernel": jnp.broadcast_to(own["kernel"].reshape(1, -1, own["kernel"].shape[3]),
                                                 other[name]["kernel"].shape)} if name.startswith("conv") else own
        for name, own in params.items()
    }  # fmt: skip
    ours = untied.apply(spread, x, lambda name, x, depth=1.0: x)
    np.testing.assert_allclose(ours, tied.apply(params, x, lambda name, x, depth=1.0: x), atol=1e-5)


def test_max_norm_bounds_each_unit_and_a_unit_is_a_channel_at_a_place():
    kernel = np.random.default_rng(1).normal(size=(6, 9, 4)).astype(np.float32) * np.arange(1, 7)[:, None, None]
    (layer,) = (
        MaxNorm(limit=7.0).project({"conv_0": {"kernel": jnp.asarray(kernel)}}, {"conv_0": {"kernel": 0.1}}).values()
    )
    norms = np.linalg.norm(kernel, axis=1, keepdims=True)
    assert (norms < 7).any()
    assert (norms > 7).any()
    np.testing.assert_allclose(layer["kernel"], kernel * np.minimum(1, 7 / norms), rtol=1e-5)


@pytest.mark.parametrize("shape", [(9, 4), (3, 3, 2, 4), (6, 9, 4)])
def test_weight_norm_has_one_gain_for_each_unit_and_starts_from_the_same_function(shape):
    v = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    own = WeightNorm().weight_variables({"a": {"kernel": jnp.asarray(v)}})
    axes = (1,) if len(shape) == 3 else tuple(range(len(shape) - 1))
    norms = np.linalg.norm(v, axis=1) if len(shape) == 3 else np.linalg.norm(v.reshape(-1, shape[-1]), axis=0)
    np.testing.assert_allclose(own["a"]["gain"].ravel(), norms.ravel(), rtol=1e-5)
    doubled = {"a": {"gain": 2 * own["a"]["gain"]}}
    longer = WeightNorm().reparametrize({"a": {"kernel": jnp.asarray(7 * v)}}, doubled)["a"]["kernel"]
    np.testing.assert_allclose(longer, 2 * v, rtol=1e-5)
    assert own["a"]["gain"].size == v.size / np.prod([shape[i] for i in axes])


@pytest.mark.parametrize("per_example", [False, True])
def test_dropconnect_draws_masks_for_every_place(per_example):
    kernel = jnp.ones((6, 40, 50))
    method = DropConnect(rate=0.3, per_example=per_example)
    (layer,) = method.transform_weights(
        {"conv_0": {"kernel": kernel}}, Site("weights", "train", KEY, examples=2)
    ).values()
    assert layer["kernel"].shape == ((2, 6, 40, 50) if per_example else (6, 40, 50))
    dropped = np.asarray(layer["kernel"] == 0).reshape(-1, 40, 50)
    assert np.all(np.abs(dropped.mean((1, 2)) - 0.3) < 4.5 * np.sqrt(0.21 / 2000))
    assert np.abs(np.corrcoef(dropped.reshape(len(dropped), -1)) - np.eye(len(dropped))).max() < 4.5 / np.sqrt(2000)


def test_gradients_are_those_of_jaxs():
    kernel = GENERATOR.normal(size=(35, 18, 4)).astype(np.float32)

    def theirs(x, kernel):
        own = kernel.reshape(7, 5, 3, 3, 2, 4).transpose(0, 1, 4, 2, 3, 5).reshape(7, 5, -1, 4)
        return lax.conv_general_dilated_local(
            x, own, (1, 1), "SAME", (3, 3), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )

    ours, expected = (
        jax.grad(lambda x, k, f=f: jnp.sum(jnp.sin(f(x, k))), (0, 1))(X, kernel)
        for f in (lambda x, k: local(x, k, 3), theirs)
    )
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    ("fields", "last"),
    [
        ({"kernel_sizes": (9,), "padding": "valid"}, "conv_0"),
        ({"kernel_sizes": (7, 3), "padding": "valid", "pooling": "none"}, "conv_1"),
        ({"filters": (2, 2, 2, 2), "pool_size": 2}, "conv_3"),
    ],
)
def test_a_window_larger_than_what_is_left_of_the_image_is_told(tied, fields, last):
    model = CNN(**{"filters": (2, 2), "tied": tied} | fields)
    with pytest.raises(UsageError, match=f"model: images of 8 x 8 are too small for {last}"):
        model.init(KEY, (8, 8, 1), 3, lambda layer: True)
