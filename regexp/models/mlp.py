"""Multilayer perceptron."""

from __future__ import annotations

from itertools import pairwise
from math import prod

from regexp.core.component import Count, component
from regexp.core.shapes import Array, Float, Key
from regexp.models.base import Activation, At, HasBias, Model, Params
from regexp.models.layers import dense, hidden, init_layer


@component
class MLP(Model):
    """Dense layers with a nonlinearity between them: h_i = act(h_{i-1} W_i + b_i).

    hidden: units of each hidden layer, e.g. [256, 256]; [] gives the linear model
    activation: sigmoid, tanh, relu, leaky_relu, elu or gelu
    initializer: how kernels are drawn; biases start at 0
    share: groups of layers that share parameters, e.g. [[hidden_1, hidden_2]]; their shapes must be equal

    Sites: input, hidden_0/pre, hidden_0/post, ...
    Source: Goodfellow, Bengio, Courville, Deep Learning, 2016, ch. 6.
    """

    hidden: tuple[Count, ...] = (256, 256)
    activation: Activation = "relu"

    def has_hidden(self) -> bool:
        return bool(self.hidden)

    def init(self, key: Key, shape: tuple[int, ...], outputs: int, has_bias: HasBias) -> Params:
        widths = (prod(shape), *self.hidden, outputs)
        return {
            name: init_layer(self.initializer, key, name, (n_in, n_out), has_bias)
            for name, (n_in, n_out) in zip(self.layers(), pairwise(widths), strict=True)
        }

    def layers(self) -> list[str]:
        """Return the names of the layers from the input to the output."""
        return [f"hidden_{i}" for i in range(len(self.hidden))] + ["output"]

    def apply(self, params: Params, x: Float[Array, "batch ..."], at: At) -> Float[Array, "batch outputs"]:
        x = at("input", x)
        x = x.reshape(x.shape[0], -1)
        for layer in self.layers()[:-1]:
            x = hidden(params, layer, x, at, self.activation)
        return dense(params["output"], x)
