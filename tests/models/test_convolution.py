"""Convolution and pooling against lax and PyTorch, under every transformation training uses."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from regexp.models import convolution
from regexp.models.convolution import average_pool, conv2d, global_average_pool, max_pool

CASES = [(side, stride, padding) for side in (1, 3, 5) for stride in (1, 2, 3) for padding in ("same", "valid")]
CASES += [(2, 1, "same"), (4, 2, "same")]  # an even side pads more after than before
NO_TORCH = "PyTorch is not installed: it is the oracle here"
SHAPE = (4, 8, 7, 3)  # an even and an odd side


def draw(*shape: int, seed: int = 0):
    return np.random.default_rng(seed).normal(size=shape)


def plain(x, kernel, *, stride=1, padding="same"):
    numbers = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding.upper(), dimension_numbers=numbers)


def with_gradients(op, *arguments):
    """(op's value, gradients of a sum of it with unequal, nonlinear weights)."""

    def loss(arguments):
        y = op(*arguments)
        return jnp.sum(jnp.sin(y) * jnp.arange(1.0, y.size + 1, dtype=y.dtype).reshape(y.shape)), y

    gradients, y = jax.jit(jax.grad(loss, has_aux=True))(tuple(map(jnp.asarray, arguments)))
    return y, *gradients


def torch_gradients(op, *arguments):
    torch = pytest.importorskip("torch", reason=NO_TORCH)
    leaves = [torch.tensor(a, requires_grad=True) for a in arguments]
    y = op(*leaves)
    weights = torch.arange(1.0, y.numel() + 1, dtype=y.dtype).reshape(y.shape)
    (torch.sin(y) * weights).sum().backward()
    return y.detach().numpy(), *(leaf.grad.numpy() for leaf in leaves)


def assert_close(actual, expected, tolerance=1e-10):
    for ours, theirs in zip(actual, expected, strict=True):
        assert ours.shape == theirs.shape
        scale = max(1.0, float(np.abs(theirs).max()))
        np.testing.assert_allclose(np.asarray(ours) / scale, np.asarray(theirs) / scale, rtol=0, atol=tolerance)


def channels_last(op):
    return lambda x, *rest: op(x.permute(0, 3, 1, 2), *rest).permute(0, 2, 3, 1)


def torch_conv(stride, padding):
    def conv(x, kernel):
        import torch

        pads = []
        for size, window in zip(x.shape[:1:-1], kernel.shape[1::-1], strict=True):  # pad names the last side first
            total = max((-(-size // stride) - 1) * stride + window - size, 0) if padding == "same" else 0
            pads += [total // 2, total - total // 2]
        padded = torch.nn.functional.pad(x, pads)
        return torch.conv2d(padded, kernel.permute(3, 2, 0, 1), stride=stride)

    return channels_last(conv)


@functools.cache
def ours(side, stride, padding):
    return with_gradients(functools.partial(conv2d, stride=stride, padding=padding), *conv_arguments(side))


def conv_arguments(side):
    return draw(*SHAPE), draw(side, side, 3, 5, seed=1)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("side", "stride", "padding"), CASES)
def test_conv_equals_lax(side, stride, padding):
    expected = with_gradients(functools.partial(plain, stride=stride, padding=padding), *conv_arguments(side))
    assert_close(ours(side, stride, padding), expected)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("side", "stride", "padding"), CASES)
def test_conv_equals_torch(side, stride, padding):
    expected = torch_gradients(torch_conv(stride, padding), *conv_arguments(side))
    assert_close(ours(side, stride, padding), expected)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize(("batch", "limit"), [(6, 1), (6, 3 * 8 * 7 * 27 * 8), (7, 3 * 8 * 7 * 27 * 8)])
def test_batch_in_chunks_equals_whole(monkeypatch, batch, limit):
    """Single images; two pieces; a prime batch, which only single images divide."""
    monkeypatch.setattr(convolution, "_PATCH_BYTES", limit)
    x, kernel = draw(batch, 8, 7, 3), draw(3, 3, 3, 5, seed=1)
    assert_close(with_gradients(conv2d, x, kernel), with_gradients(plain, x, kernel))


def test_chunks_divide_the_batch_and_fit():
    mebibyte = 1 << 20
    assert convolution._chunks(128, mebibyte // 128) == 1
    assert convolution._chunks(128, mebibyte // 4) == 16
    assert convolution._chunks(100, mebibyte // 4) == 20
    assert convolution._chunks(127, mebibyte // 4) == 127
    assert convolution._chunks(4, 8 * mebibyte) == 4
    assert convolution._chunks(1, 8 * mebibyte) == 1


OPERATIONS = {
    "conv": lambda x, k: conv2d(x, k),
    "strided": lambda x, k: conv2d(x, k, stride=2),
    "max_pool": lambda x, k: max_pool(x, 2) * k[0, 0, 0, 0],
    "average_pool": lambda x, k: average_pool(x, 2) * k[0, 0, 0, 0],
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", OPERATIONS)
def test_transformed_equals_looped(monkeypatch, name):
    monkeypatch.setattr(convolution, "_PATCH_BYTES", 2 * 8 * 7 * 27 * 8)  # so that a loop is inside each of these
    xs, kernels = jnp.asarray(draw(3, *SHAPE)), jnp.asarray(draw(3, 3, 3, 3, 5, seed=1))

    def lane(x, k):
        return with_gradients(OPERATIONS[name], x, k)

    looped = [jnp.stack(parts) for parts in zip(*map(lane, xs, kernels), strict=True)]
    assert_close(jax.jit(jax.vmap(lane))(xs, kernels), looped)
    assert_close(jax.jit(lambda *a: lax.map(lambda xk: lane(*xk), a))(xs, kernels), looped)
    assert_close(jax.jit(lambda *a: lax.scan(lambda c, xk: (c, lane(*xk)), 0, a)[1])(xs, kernels), looped)


@pytest.mark.usefixtures("float64")
def test_in_a_loop_of_unknown_length():
    x, kernel = jnp.asarray(draw(*SHAPE)), jnp.asarray(draw(3, 3, 3, 5, seed=1))

    def descend(op):
        step = jax.grad(lambda k: jnp.mean(max_pool(op(x, k), 2) ** 2))
        return jax.jit(lambda k, n: lax.fori_loop(0, n, lambda _, k: k - 0.1 * step(k), k))(kernel, 3)

    assert_close([descend(conv2d)], [descend(plain)])


@pytest.mark.usefixtures("float64")
def test_without_input_gradient():
    x, kernel = draw(*SHAPE), draw(3, 3, 3, 5, seed=1)
    y, to_x, to_kernel = with_gradients(lambda x, k: conv2d(x, k, input_gradient=False), x, kernel)
    assert not to_x.any()
    assert_close((y, to_kernel), with_gradients(conv2d, x, kernel)[::2])


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("stop", [True, False], ids=["fgsm", "gradient_penalty"])
@pytest.mark.parametrize("stride", [1, 2])
def test_gradient_through_an_input_gradient(stop, stride):
    """FGSM stops the input gradient; a gradient penalty differentiates it."""
    x, kernel = jnp.asarray(draw(*SHAPE)), jnp.asarray(draw(3, 3, 3, 5, seed=1))

    def outer(op):
        def loss(x, k):
            return jnp.mean(jnp.sin(max_pool(op(x, k, stride=stride), 2)))

        def perturbed(k):
            g = jax.grad(loss)(x, k)
            return loss(x + 0.1 * jnp.sign(lax.stop_gradient(g)), k) if stop else loss(x, k) + jnp.sum(g**2)

        return jax.jit(jax.grad(perturbed))(kernel)

    assert_close([outer(conv2d)], [outer(plain)])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_dtype_is_kept(dtype):
    x, kernel = jnp.asarray(draw(*SHAPE), dtype), jnp.asarray(draw(3, 3, 3, 5), dtype)
    computed = with_gradients(conv2d, x, kernel)
    assert all(jnp.isfinite(a).all() for a in computed)
    for op in OPERATIONS.values():
        shapes = jax.eval_shape(lambda x, k, op=op: with_gradients(op, x, k), x, kernel)
        assert {a.dtype for a in (*computed, *shapes)} == {jnp.dtype(dtype)}


@pytest.mark.parametrize("stride", [1, 2])
def test_lowers_to_the_fast_form_alone(stride):
    """On CPU every convolution is the canonical one, undilated: XLA's own gradients leave the fast path."""
    x, kernel = jnp.ones(SHAPE), jnp.ones((3, 3, 3, 5))
    gradient = jax.grad(lambda x, k: jnp.sum(conv2d(x, k, stride=stride) ** 2), (0, 1))
    lines = jax.jit(gradient).trace(x, kernel).lower(lowering_platforms=("cpu",)).as_text().splitlines()
    found = [line for line in lines if "stablehlo.convolution" in line]
    assert len(found) == (2 if stride == 1 else 1)
    for line in found:
        assert "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]" in line
        assert "dilate" not in line.replace("lhs_dilate = [1, 1]", "").replace("rhs_dilate = [1, 1]", "")


def test_elsewhere_the_gradients_are_those_of_lax():
    gradient = jax.grad(lambda x, k: jnp.sum(conv2d(x, k, stride=2) ** 2), (0, 1))
    lowered = jax.jit(gradient).trace(jnp.ones(SHAPE), jnp.ones((3, 3, 3, 5))).lower(lowering_platforms=("cuda",))
    assert lowered.as_text().count("stablehlo.convolution") == 3


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "average"])
def test_pool_equals_torch(kind, size):
    oracles = pytest.importorskip("torch.nn.functional", reason=NO_TORCH)
    x = draw(*SHAPE)
    pool, oracle = {"max": (max_pool, oracles.max_pool2d), "average": (average_pool, oracles.avg_pool2d)}[kind]
    expected = torch_gradients(channels_last(lambda x: oracle(x, size)), x)
    assert_close(with_gradients(lambda x: pool(x, size), x), expected)


@pytest.mark.usefixtures("float64")
def test_max_pool_gives_ties_to_the_first():
    x = draw(*SHAPE).round() / 4  # few values, so most windows have ties
    expected = with_gradients(lambda x: _reduce_window_max(x, 2), x)
    assert_close(with_gradients(lambda x: max_pool(x, 2), x), expected)
    to_x = jax.grad(lambda x: max_pool(x, 2).sum())(jnp.zeros((1, 2, 2, 1)))
    np.testing.assert_array_equal(to_x.ravel(), [1, 0, 0, 0])


def _reduce_window_max(x, size):
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, size, size, 1), (1, size, size, 1), "VALID")


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("activate", [jax.nn.relu, jax.nn.elu, jnp.tanh])
def test_monotone_activation_and_max_pool_commute(activate):
    x = draw(*SHAPE)
    before = with_gradients(lambda x: max_pool(activate(x), 2), x)
    after = with_gradients(lambda x: activate(max_pool(x, 2)), x)
    assert_close(after, before)


def test_global_average_pool():
    x = draw(*SHAPE)
    np.testing.assert_allclose(global_average_pool(jnp.asarray(x)), x.mean((1, 2)), rtol=1e-5, atol=1e-6)
