"""What every model is built of: named layers that draw and apply their own parameters."""

from __future__ import annotations

import zlib
from typing import Any, Literal

from regexp.initializers.base import Initializer
from regexp.lazy import jax, jnp
from regexp.models.base import Activation, HasBias

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
    """(B, n_in) -> (B, n_out)."""
    return add_bias(layer, x @ layer["kernel"])


def activate(name: Activation, x: Array) -> Array:
    """The nonlinearity `name`, elementwise; leaky_relu has slope 0.01, gelu is the exact one (erf), as in PyTorch."""
    if name == "gelu":
        return jax.nn.gelu(x, approximate=False)
    if name == "tanh":
        return jnp.tanh(x)
    return getattr(jax.nn, name)(x)


def conv(x: Array, kernel: Array, stride: int = 1, padding: Literal["same", "valid"] = "same") -> Array:
    """(B, H, W, n_in) * (h, w, n_in, n_out) -> (B, H', W', n_out); see convolution.py for why it is not lax.conv."""
    from regexp.models.convolution import conv2d

    return conv2d(x, kernel, stride=stride, padding=padding)


def pool(x: Array, size: int, kind: Literal["max", "average", "none"]) -> Array:
    """Windows of size x size without overlap; an incomplete window at the border is left out."""
    from regexp.models.convolution import average_pool, max_pool

    return x if kind == "none" else {"max": max_pool, "average": average_pool}[kind](x, size)
