"""Convolutional network: convolutions with pooling, then dense layers."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

from regexp.core.component import Count, component, static
from regexp.core.errors import UsageError
from regexp.core.lazy import jax
from regexp.core.shapes import Array, Float, Key
from regexp.models.base import Activation, At, HasBias, Model, Params
from regexp.models.layers import activate, add_bias, conv, dense, hidden, init_layer, init_local, local, pool


@component
class CNN(Model):
    """Blocks of convolution, nonlinearity and pooling, then dense layers.

    filters: channels of each convolution, e.g. [32, 64]
    kernel_sizes: side of each window; a single number applies to all
    padding: same (zeros) or valid
    tied: true shares a kernel over all positions (convolution); false gives every position its own kernel (a locally
        connected layer, which convolution regularizes)
    pooling: max, average or none, over windows of pool_size x pool_size without overlap
    pool_size: side of the pooling window
    hidden: units of the dense layers after the convolutions
    activation: sigmoid, tanh, relu, leaky_relu, elu or gelu
    initializer: how kernels are drawn; biases start at 0
    share: groups of layers that share parameters, e.g. [[hidden_1, hidden_2]]; their shapes must be equal

    Sites: input, conv_0/pre, conv_0/post (after pooling), ..., hidden_0/pre, hidden_0/post, ...
    Source: LeCun et al. 1998; Goodfellow, Bengio, Courville, Deep Learning, 2016, ch. 9.
    """

    images_only = True
    filters: tuple[Count, ...] = (32, 64)
    kernel_sizes: tuple[Count, ...] = (3,)
    padding: Literal["same", "valid"] = "same"
    tied: bool = True
    pooling: Literal["max", "average", "none"] = "max"
    pool_size: Count = static(default=2)
    hidden: tuple[Count, ...] = (128,)
    activation: Activation = "relu"

    def has_hidden(self) -> bool:
        return bool(self.filters or self.hidden)

    def init(self, key: Key, shape: tuple[int, ...], outputs: int, has_bias: HasBias) -> Params:
        params: Params = {}
        height, width, channels = shape
        for name, filters, side in self._convolutions():
            window = (side, side, channels, filters)
            cut = 0 if self.padding == "same" else side - 1
            height, width, channels = height - cut, width - cut, filters
            if min(height, width) < (1 if self.pooling == "none" else self.pool_size):
                raise UsageError(f"model: images of {shape[0]} x {shape[1]} are too small for {name}")
            if self.tied:
                params[name] = init_layer(self.initializer, key, name, window, has_bias)
            else:
                params[name] = init_local(self.initializer, key, name, window, (height, width), has_bias)
            if self.pooling != "none":
                height, width = height // self.pool_size, width // self.pool_size
        flat = jax.eval_shape(lambda p, x: self._features(p, x, _ignore), params, _example(shape))
        widths = (flat.shape[1], *self.hidden, outputs)
        for name, kernel in zip(self._dense(), pairwise(widths), strict=True):
            params[name] = init_layer(self.initializer, key, name, kernel, has_bias)
        return params

    def apply(self, params: Params, x: Float[Array, "batch ..."], at: At) -> Float[Array, "batch outputs"]:
        x = self._features(params, at("input", x), at)
        for name in self._dense()[:-1]:
            x = hidden(params, name, x, at, self.activation)
        return dense(params["output"], x)

    def _features(
        self, params: Params, x: Float[Array, "batch height width channels"], at: At
    ) -> Float[Array, "batch features"]:
        for name, _, side in self._convolutions():
            kernel = params[name]["kernel"]
            x = conv(x, kernel, padding=self.padding) if self.tied else local(x, kernel, side, self.padding)
            x = add_bias(params[name], x)
            x = at(f"{name}/pre", x)
            if self.pooling == "max" and self.activation in MONOTONE:
                # A monotone nonlinearity and the maximum commute, so it is applied to the pooled elements only.
                x = activate(self.activation, pool(x, self.pool_size, "max"))
            else:
                x = pool(activate(self.activation, x), self.pool_size, self.pooling)
            x = at(f"{name}/post", x)
        return x.reshape(x.shape[0], -1)

    def _convolutions(self) -> list[tuple[str, int, int]]:
        """Return (name, filters, side) of each convolution; the last side also applies to all further ones."""
        sides = self.kernel_sizes + self.kernel_sizes[-1:] * len(self.filters)
        return [(f"conv_{i}", f, side) for i, (f, side) in enumerate(zip(self.filters, sides, strict=False))]

    def _dense(self) -> list[str]:
        return [f"hidden_{i}" for i in range(len(self.hidden))] + ["output"]


MONOTONE = ("relu", "leaky_relu", "elu", "sigmoid", "tanh")


def _ignore(name: str, x: Array, depth: float = 1.0) -> Array:
    return x


def _example(shape: tuple[int, ...]) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((1, *shape), "float32")
