"""The layers that models are built from: functions that draw and apply the parameters of a named layer."""

from __future__ import annotations

import zlib
from typing import Literal

from regexp.core.lazy import jax, jnp
from regexp.core.shapes import Array, Float, Key
from regexp.initializers.base import Initializer
from regexp.models.base import Activation, At, HasBias, Layer, Params


def init_layer(initializer: Initializer, key: Key, name: str, shape: tuple[int, ...], has_bias: HasBias) -> Layer:
    """Draw {"kernel": (..., n_in, n_out), "bias": (n_out,)}; the draw depends only on `key` and `name`."""
    kernel = initializer.draw(jax.random.fold_in(key, zlib.crc32(name.encode())), shape)
    if not has_bias(name):
        return {"kernel": kernel}
    return {"kernel": kernel, "bias": jnp.zeros(shape[-1], kernel.dtype)}


def add_bias(layer: Layer, x: Float[Array, "*axes units"]) -> Float[Array, "*axes units"]:
    """Return x + bias if the layer has one, else x."""
    return x + layer["bias"] if "bias" in layer else x


def dense(layer: Layer, x: Float[Array, "batch n_in"]) -> Float[Array, "batch n_out"]:
    """Return x W + b. A kernel (B, n_in, n_out) holds one W for every example."""
    kernel = layer["kernel"]
    product = x @ kernel if kernel.ndim == 2 else jnp.einsum("bi,bio->bo", x, kernel)
    return add_bias(layer, product)


def hidden(
    params: Params, name: str, x: Float[Array, "batch n_in"], at: At, activation: Activation
) -> Float[Array, "batch n_out"]:
    """Apply a dense layer with its sites and its nonlinearity.

    If the layer has a "variance", the inputs of its units are distributed as N(x w + b, x^2 variance), and the
    nonlinearity is averaged over one draw for each of the layer's "sample_keys".
    """
    layer = params[name]
    z = dense(layer, x)
    if "variance" not in layer:
        return at(f"{name}/post", activate(activation, at(f"{name}/pre", z)))
    # An attack differentiates this, and the square root has an infinite slope at 0.
    deviation = jnp.sqrt(jnp.maximum(jnp.square(x) @ layer["variance"], 1e-24))

    def draw(key: Key) -> Array:
        noisy = z + deviation * jax.random.normal(key, z.shape, z.dtype)
        return activate(activation, at(f"{name}/pre", noisy))

    return at(f"{name}/post", jnp.mean(jax.lax.map(draw, layer["sample_keys"]), 0))


def activate(name: Activation, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Apply the nonlinearity `name` elementwise; as in PyTorch leaky_relu has slope 0.01 and gelu is exact (erf)."""
    if name == "gelu":
        return jax.nn.gelu(x, approximate=False)
    if name == "tanh":
        return jnp.tanh(x)
    return getattr(jax.nn, name)(x)


def conv(
    x: Float[Array, "batch height width n_in"],
    kernel: Float[Array, "*examples side side n_in n_out"],
    stride: int = 1,
    padding: Literal["same", "valid"] = "same",
) -> Float[Array, "batch rows columns n_out"]:
    """Return the convolution of images, computed by convolution.py, which explains why not by lax.conv.

    A kernel (B, h, w, n_in, n_out) holds one kernel for every example.
    """
    from regexp.models.convolution import conv2d

    if kernel.ndim == 5:
        return jax.vmap(lambda image, weights: conv(image[None], weights, stride, padding)[0])(x, kernel)
    return conv2d(x, kernel, stride=stride, padding=padding)


def local(
    x: Float[Array, "batch height width n_in"],
    kernel: Float[Array, "*examples places patch n_out"],
    side: int,
    padding: Literal["same", "valid"] = "same",
) -> Float[Array, "batch rows columns n_out"]:
    """Return a convolution without weight sharing: kernel (H' W', side side n_in, n_out), one for each place.

    A kernel (B, H' W', side side n_in, n_out) holds one set of kernels for every example.
    """
    if kernel.ndim == 4:
        return jax.vmap(lambda image, weights: local(image[None], weights, side, padding)[0])(x, kernel)
    before, after = ((side - 1) // 2, side // 2) if padding == "same" else (0, 0)
    padded = jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    height, width = padded.shape[1] - side + 1, padded.shape[2] - side + 1
    windows = [padded[:, i : i + height, j : j + width] for i in range(side) for j in range(side)]
    patches = jnp.concatenate(windows, -1).reshape(x.shape[0], height * width, -1)
    return jnp.einsum("bpi,pio->bpo", patches, kernel).reshape(x.shape[0], height, width, -1)


def init_local(
    initializer: Initializer, key: Key, name: str, shape: tuple[int, int, int, int], grid: tuple[int, int],
    has_bias: HasBias,
) -> Layer:  # fmt: skip
    """Draw a kernel (H' W', side side n_in, n_out) of independent draws at each place of `grid` = (H', W')."""
    layer_key = jax.random.fold_in(key, zlib.crc32(name.encode()))
    keys = jax.random.split(layer_key, grid[0] * grid[1])
    kernel = jax.vmap(lambda k: initializer.draw(k, shape))(keys)
    layer = {"kernel": kernel.reshape(len(keys), -1, shape[-1])}
    return layer | ({"bias": jnp.zeros(shape[-1], kernel.dtype)} if has_bias(name) else {})


def pool(
    x: Float[Array, "batch height width channels"], size: int, kind: Literal["max", "average", "none"]
) -> Float[Array, "batch rows columns channels"]:
    """Pool windows of size x size without overlap; incomplete windows at the border are dropped."""
    from regexp.models.convolution import average_pool, max_pool

    return x if kind == "none" else {"max": max_pool, "average": average_pool}[kind](x, size)
