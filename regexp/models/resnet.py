"""Residual network for small images."""

from __future__ import annotations

from typing import Literal

from regexp.core.component import Count, component, static
from regexp.core.lazy import jnp
from regexp.core.shapes import Array, Float, Key
from regexp.models.base import Activation, At, HasBias, Layer, Model, Params
from regexp.models.layers import activate, add_bias, conv, dense, init_layer


@component
class ResNet(Model):
    """CIFAR-style residual network of depth 6n + 2: a stem, three stages of n blocks, global average pooling, dense.

    A block is h + F(h), F = conv, nonlinearity, conv; stages have w, 2w, 4w channels; the first block of the second and
    third halves the image. If sizes differ, the shortcut subsamples and pads channels with zeros (He et al.'s option
    A), so it has no parameters. Normalisation is a regularizer here: add `batch_norm` to get the network of the paper.

    depth: 6n + 2
    width: channels of the first stage, w
    activation: sigmoid, tanh, relu, leaky_relu, elu or gelu
    initializer: how kernels are drawn; biases start at 0
    share: groups of layers that share parameters, e.g. [[hidden_1, hidden_2]]; their shapes must be equal

    Sites: input, stem/pre, stem/post, block_0/conv_0/pre, block_0/conv_0/post, block_0/conv_1/pre, block_0/residual
    (the branch before it is added), block_0/post, ...
    Source: He, Zhang, Ren, Sun 2016, section 4.2.
    """

    images_only = True
    residual = True
    depth: Literal[8, 14, 20, 26, 32, 44, 56, 110] = 20
    width: Count = static(default=16)
    activation: Activation = "relu"

    def init(self, key: Key, shape: tuple[int, ...], outputs: int, has_bias: HasBias) -> Params:
        shapes: dict[str, tuple[int, ...]] = {"stem": (3, 3, shape[-1], self.width)}
        channels = self.width
        for name, filters, _ in self._blocks():
            shapes[f"{name}/conv_0"] = (3, 3, channels, filters)
            shapes[f"{name}/conv_1"] = (3, 3, filters, filters)
            channels = filters
        shapes["output"] = (channels, outputs)
        return {n: init_layer(self.initializer, key, n, s, has_bias) for n, s in shapes.items()}

    def apply(self, params: Params, x: Float[Array, "batch ..."], at: At) -> Float[Array, "batch outputs"]:
        x = at("stem/pre", _conv(params["stem"], at("input", x)))
        x = at("stem/post", activate(self.activation, x))
        blocks = self._blocks()
        for number, (name, filters, stride) in enumerate(blocks, 1):
            branch = self._branch(params, name, stride, x, at)
            branch = at(f"{name}/residual", branch, depth=number / len(blocks))
            x = activate(self.activation, _shortcut(x, filters, stride) + branch)
            x = at(f"{name}/post", x)
        return dense(params["output"], jnp.mean(x, (1, 2)))

    def _branch(
        self, params: Params, name: str, stride: int, x: Float[Array, "batch height width channels"], at: At
    ) -> Float[Array, "batch rows columns filters"]:
        x = at(f"{name}/conv_0/pre", _conv(params[f"{name}/conv_0"], x, stride))
        x = at(f"{name}/conv_0/post", activate(self.activation, x))
        return at(f"{name}/conv_1/pre", _conv(params[f"{name}/conv_1"], x))

    def _blocks(self) -> list[tuple[str, int, int]]:
        """Return (name, channels, stride) of each block."""
        n = (self.depth - 2) // 6
        return [
            (f"block_{stage * n + i}", self.width * 2**stage, 2 if stage and i == 0 else 1)
            for stage in range(3)
            for i in range(n)
        ]


def _conv(
    layer: Layer, x: Float[Array, "batch height width channels"], stride: int = 1
) -> Float[Array, "batch rows columns filters"]:
    return add_bias(layer, conv(x, layer["kernel"], stride=stride))


def _shortcut(
    x: Float[Array, "batch height width channels"], channels: int, stride: int
) -> Float[Array, "batch rows columns {channels}"]:
    x = x[:, ::stride, ::stride]
    return jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, channels - x.shape[-1])))
