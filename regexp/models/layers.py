"""What every model is built of: named layers that draw and apply their own parameters."""

from __future__ import annotations

import zlib
from typing import Any, Literal

from regexp.core.lazy import jax, jnp
from regexp.initializers.base import Initializer
from regexp.models.base import Activation, At, HasBias, Params

Array = Any


def init_layer(
    initializer: Initializer, key: Array, name: str, shape: tuple[int, ...], has_bias: HasBias
) -> dict[str, Array]:
    """{"kernel": (..., n_in, n_out), "bias": (n_out,)}; the draw depends on `key` and `name` alone."""
    kernel = initializer.draw(jax.random.fold_in(key, zlib.crc32(name.encode())), shape)
    if not has_bias(name):
        return {"kernel": kernel}
    return {"kernel": kernel, "bias": jnp.zeros(shape[-1], kernel.dtype)}


def add_bias(layer: dict[str, Array], x: Array) -> Array:
    """x + bias, where the layer has one."""
    return x + layer["bias"] if "bias" in layer else x


def dense(layer: dict[str, Array], x: Array) -> Array:
    """(B, n_in) -> (B, n_out). A kernel (B, n_in, n_out) is another one for every example."""
    kernel = layer["kernel"]
    product = x @ kernel if kernel.ndim == 2 else jnp.einsum("bi,bio->bo", x, kernel)
    return add_bias(layer, product)


def hidden(params: Params, name: str, x: Array, at: At, activation: Activation) -> Array:
    """A dense layer, its sites and its nonlinearity.

    Where the layer's kernel has a "variance", units' inputs are random, N(x w + b, x^2 variance), and the nonlinearity
    is averaged over one draw for each of the layer's "sample_keys".
    """
    layer = params[name]
    z = dense(layer, x)
    if "variance" not in layer:
        return at(f"{name}/post", activate(activation, at(f"{name}/pre", z)))
    deviation = jnp.sqrt(jnp.maximum(jnp.square(x) @ layer["variance"], 1e-24))  # an attack differentiates it at 0, too

    def draw(key: Array) -> Array:
        noisy = z + deviation * jax.random.normal(key, z.shape, z.dtype)
        return activate(activation, at(f"{name}/pre", noisy))

    return at(f"{name}/post", jnp.mean(jax.lax.map(draw, layer["sample_keys"]), 0))


def activate(name: Activation, x: Array) -> Array:
    """The nonlinearity `name`, elementwise; leaky_relu has slope 0.01, gelu is the exact one (erf), as in PyTorch."""
    if name == "gelu":
        return jax.nn.gelu(x, approximate=False)
    if name == "tanh":
        return jnp.tanh(x)
    return getattr(jax.nn, name)(x)


def conv(x: Array, kernel: Array, stride: int = 1, padding: Literal["same", "valid"] = "same") -> Array:
    """(B, H, W, n_in) * (h, w, n_in, n_out) -> (B, H', W', n_out); see convolution.py for why it is not lax.conv.

    A kernel (B, h, w, n_in, n_out) is another one for every example.
    """
    from regexp.models.convolution import conv2d

    if kernel.ndim == 5:
        return jax.vmap(lambda one, own: conv(one[None], own, stride, padding)[0])(x, kernel)
    return conv2d(x, kernel, stride=stride, padding=padding)


def local(x: Array, kernel: Array, side: int, padding: Literal["same", "valid"] = "same") -> Array:
    """A convolution without sharing: (B, H, W, n_in), kernel (H' W', side side n_in, n_out) -> (B, H', W', n_out).

    A kernel (B, H' W', side side n_in, n_out) is another one for every example.
    """
    if kernel.ndim == 4:
        return jax.vmap(lambda one, own: local(one[None], own, side, padding)[0])(x, kernel)
    before, after = ((side - 1) // 2, side // 2) if padding == "same" else (0, 0)
    padded = jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    height, width = padded.shape[1] - side + 1, padded.shape[2] - side + 1
    windows = [padded[:, i : i + height, j : j + width] for i in range(side) for j in range(side)]
    patches = jnp.concatenate(windows, -1).reshape(x.shape[0], height * width, -1)
    return jnp.einsum("bpi,pio->bpo", patches, kernel).reshape(x.shape[0], height, width, -1)


def init_local(
    initializer: Initializer, key: Array, name: str, shape: tuple[int, int, int, int], place: tuple[int, int],
    has_bias: HasBias,
) -> dict[str, Array]:  # fmt: skip
    """As init_layer, with another draw at each of `place` = (H', W'); kernel (H' W', side side n_in, n_out)."""
    own = jax.random.fold_in(key, zlib.crc32(name.encode()))
    keys = jax.random.split(own, place[0] * place[1])
    kernel = jax.vmap(lambda k: initializer.draw(k, shape))(keys)
    layer = {"kernel": kernel.reshape(len(keys), -1, shape[-1])}
    return layer | ({"bias": jnp.zeros(shape[-1], kernel.dtype)} if has_bias(name) else {})


def pool(x: Array, size: int, kind: Literal["max", "average", "none"]) -> Array:
    """Windows of size x size without overlap; an incomplete window at the border is left out."""
    from regexp.models.convolution import average_pool, max_pool

    return x if kind == "none" else {"max": max_pool, "average": average_pool}[kind](x, size)
