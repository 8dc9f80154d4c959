"""Convolution and pooling that are fast inside `lax.scan` on a CPU.

XLA differentiates `lax.conv` and `lax.reduce_window` into forms that its CPU backend runs slowly, especially in a loop,
and an epoch here is a loop. So each gradient is written with operations that it runs fast:

    convolution   forward          `lax.conv`, NHWC and HWIO, which is fast in loops too
                  to the images    `lax.conv` of the gradient with the flipped, transposed kernel; with a stride, the
                                   product with the kernel, each patch added to its source pixels
                  to the kernel    a matrix product with the images' patches, one cache-sized chunk at a time
    max pooling   forward          the maximum of the window's strided slices, and the index of the first maximum
                  to the images    the gradient at that index, else 0

On other devices a convolution's gradients are those of `lax.conv`.

Measured: ms a training step, conv 3x3x32, max pool 2, relu, conv 3x3x64, max pool 2, relu, dense 128, dense 10; batch
128, 28x28x1, float32, SGD, 20 steps in one scan; medians over runs on two otherwise idle cores of an AMD EPYC (Zen 5):

    jax 0.10.1     this module 15.3-17.2; while another program uses one core 31, with reduce_window 78, plain XLA 640
    jax 0.12.0.1   this module 16.9-20.3; with reduce_window 43, plain XLA 1290
    torch 2.13     eager, two threads, fused: channels_last 15.5-18.1, default layout 29; compiled, default layout 21

Adam and a `fori_loop` of traced length cost the same within 5%. The second convolution's two `lax.conv` take about
5 ms, near the cores' peak, and its kernel gradient 4.4 ms, a large part of which is copying patches.
"""

from __future__ import annotations

import functools
import math
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from regexp.core.shapes import Array, Float, Shaped

Padding = Literal["same", "valid"]
Pads = list[tuple[int, int]]

_LAYOUT = ("NHWC", "HWIO", "NHWC")
# The fastest of 1, 2, 4 and 8 MiB on cores with 1 MiB of L2. The whole batch at once makes a step 1.2 times slower and
# takes kernel area times the images' memory.
_PATCH_BYTES = 2 << 20


def conv2d(
    x: Float[Array, "batch height width n_in"],
    kernel: Float[Array, "h w n_in n_out"],
    *,
    stride: int = 1,
    padding: Padding = "same",
    input_gradient: bool = True,
) -> Float[Array, "batch rows columns n_out"]:
    """Return the cross-correlation of images with a kernel, without bias.

    y[b, i, j, o] = sum over u, v, c of x[b, i stride + u, j stride + v, c] kernel[u, v, c, o]

    stride: step of the window along both sides, 1 and up
    padding: same (zeros around; H' = ceil(H / stride)) or valid (complete windows only)
    input_gradient: False treats x as a constant. Under jit an unused gradient costs nothing anyway, so this
        is for callers that differentiate with respect to x but not through this path; FGSM needs True.

    Reverse mode only, second derivatives included; `jax.jvp` raises.
    Source: Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016, chs. 2 and 4.
    """
    return _conv(x if input_gradient else lax.stop_gradient(x), kernel, stride, padding)


def max_pool(
    x: Float[Array, "batch height width channels"], size: int
) -> Float[Array, "batch height//{size} width//{size} channels"]:
    """Return the maximum of each size x size window, without overlap.

    Incomplete windows are dropped. If maxima are equal, the first in row order receives the gradient, as in PyTorch.
    Reverse mode only. A monotone nonlinearity commutes with it and is cheaper after pooling.
    """
    return _max_pool(_complete_windows(x, size), size)


def average_pool(
    x: Float[Array, "batch height width channels"], size: int
) -> Float[Array, "batch height//{size} width//{size} channels"]:
    """Return the mean of each size x size window, without overlap; incomplete windows are dropped."""
    batch, height, width, channels = x.shape
    windows = (batch, height // size, size, width // size, size, channels)
    return _complete_windows(x, size).reshape(windows).mean((2, 4))


def global_average_pool(x: Float[Array, "batch height width channels"]) -> Float[Array, "batch channels"]:
    """Return the mean over all places. Source: Lin, Chen, Yan, Network in network, 2014, sec. 3.2."""
    return x.mean((1, 2))


def _lax_conv(
    x: Float[Array, "batch height width n_in"],
    kernel: Float[Array, "h w n_in n_out"],
    stride: int,
    padding: str | Pads,
) -> Float[Array, "batch rows columns n_out"]:
    return lax.conv_general_dilated(x, kernel, (stride, stride), padding, dimension_numbers=_LAYOUT)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _conv(x: Array, kernel: Array, stride: int, padding: Padding) -> Array:
    return _lax_conv(x, kernel, stride, padding.upper())


def _conv_forward(x: Array, kernel: Array, stride: int, padding: Padding) -> tuple[Array, tuple[Array, Array]]:
    return _conv(x, kernel, stride, padding), (x, kernel)


def _conv_backward(stride: int, padding: Padding, residuals: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = residuals
    pads = lax.padtype_to_pads(x.shape[1:3], kernel.shape[:2], (stride, stride), padding.upper())

    def by_hand(x: Array, kernel: Array, g: Array) -> tuple[Array, Array]:
        return _to_images(kernel, g, x.shape, stride, pads), _to_kernel(x, g, kernel.shape, stride, pads)

    def by_xla(x: Array, kernel: Array, g: Array) -> tuple[Array, Array]:
        return jax.vjp(lambda x, kernel: _lax_conv(x, kernel, stride, pads), x, kernel)[1](g)

    return lax.platform_dependent(x, kernel, g, cpu=by_hand, default=by_xla)


_conv.defvjp(_conv_forward, _conv_backward)


def _to_images(kernel: Array, g: Array, shape: tuple[int, ...], stride: int, pads: Pads) -> Array:
    if stride > 1:
        # lax.conv of the dilated g is 1.3 to 2.2 times slower for sides 1 and 3 (1.4 times faster for 5).
        patches = g.reshape(-1, kernel.shape[3]) @ kernel.reshape(-1, kernel.shape[3]).T
        image = jax.ShapeDtypeStruct(shape, g.dtype)
        add_back = jax.linear_transpose(lambda x: _patches(_pad(x, pads), g.shape, kernel.shape, stride), image)
        return add_back(patches)[0]
    around = [
        (window - 1 - before, window - 1 - after)
        for window, (before, after) in zip(kernel.shape[:2], pads, strict=True)
    ]
    return _lax_conv(g, kernel[::-1, ::-1].swapaxes(2, 3), 1, around)


def _to_kernel(x: Array, g: Array, shape: tuple[int, ...], stride: int, pads: Pads) -> Array:
    x = _pad(x, pads)
    patch_bytes = g.shape[1] * g.shape[2] * math.prod(shape[:3]) * x.dtype.itemsize
    count = _chunks(x.shape[0], patch_bytes)
    if count == 1:
        return _patch_product(x, g, shape, stride)
    xs, gs = (a.reshape(count, -1, *a.shape[1:]) for a in (x, g))

    def add(i: Array, total: Array) -> Array:
        return total + _patch_product(xs[i], gs[i], shape, stride)

    return lax.fori_loop(0, count, add, jnp.zeros(shape, x.dtype))


def _chunks(batch: int, patch_bytes: int) -> int:
    """Return the number of equal chunks of the batch whose patches fit into _PATCH_BYTES; single images if none fit."""
    return next((n for n in range(1, batch) if batch % n == 0 and batch // n * patch_bytes <= _PATCH_BYTES), batch)


def _patch_product(
    x: Float[Array, "batch height width n_in"],
    g: Float[Array, "batch rows columns n_out"],
    shape: tuple[int, ...],
    stride: int,
) -> Float[Array, "h w n_in n_out"]:
    # With g as the left factor a training step is 2% faster than with patches.T @ g.
    return (g.reshape(-1, shape[3]).T @ _patches(x, g.shape, shape, stride)).T.reshape(shape)


def _patches(
    x: Float[Array, "batch height width n_in"], out: tuple[int, ...], kernel: tuple[int, ...], stride: int
) -> Float[Array, "places patch"]:
    """Return the patches (B H' W', h w n_in) of padded images, one row for each place in the output of shape `out`."""
    rows, columns = ((n - 1) * stride + 1 for n in out[1:3])
    shifts = [x[:, i : i + rows : stride, j : j + columns : stride] for i in range(kernel[0]) for j in range(kernel[1])]
    return jnp.concatenate(shifts, -1).reshape(-1, math.prod(kernel[:3]))


def _pad(x: Float[Array, "batch height width n_in"], pads: Pads) -> Float[Array, "batch rows columns n_in"]:
    return jnp.pad(x, ((0, 0), *pads, (0, 0)))


def _complete_windows(
    x: Float[Array, "batch height width channels"], size: int
) -> Float[Array, "batch rows columns channels"]:
    return x[:, : x.shape[1] // size * size, : x.shape[2] // size * size]


def _window_parts(x: Array, size: int) -> list[Array]:
    """Return the elements at each position within the windows, in row order, each (B, H', W', C)."""
    return [x[:, i::size, j::size] for i in range(size) for j in range(size)]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def _max_pool(x: Array, size: int) -> Array:
    return functools.reduce(jnp.maximum, _window_parts(x, size))


def _max_pool_forward(x: Array, size: int) -> tuple[Array, Array]:
    """Save the index of the first maximum, which takes less memory than x and y."""
    y = _max_pool(x, size)
    first = jnp.full(y.shape, size * size - 1, jnp.int32)
    for place, part in reversed(list(enumerate(_window_parts(x, size)))[:-1]):
        first = jnp.where(part == y, place, first)
    return y, first


def _max_pool_backward(size: int, first: Array, g: Array) -> tuple[Array]:
    row, column = jnp.arange(g.shape[1] * size) % size, jnp.arange(g.shape[2] * size) % size
    place = (row[:, None] * size + column).astype(jnp.int32)[:, :, None]
    return (jnp.where(_enlarge(first, size) == place, _enlarge(g, size), 0),)


def _enlarge(
    y: Shaped[Array, "batch rows columns channels"], size: int
) -> Shaped[Array, "batch rows*{size} columns*{size} channels"]:
    """Repeat each element over its window: (B, H', W', C) -> (B, H' size, W' size, C)."""
    batch, height, width, channels = y.shape
    filled = jnp.broadcast_to(y[:, :, None, :, None], (batch, height, size, width, size, channels))
    return filled.reshape(batch, height * size, width * size, channels)


_max_pool.defvjp(_max_pool_forward, _max_pool_backward)
