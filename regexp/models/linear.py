"""Linear and softmax regression."""

from __future__ import annotations

from math import prod

from regexp.core.component import component
from regexp.core.shapes import Array, Float, Key
from regexp.models.base import At, HasBias, Model, Params
from regexp.models.layers import dense, init_layer


@component
class Linear(Model):
    """One dense layer: f(x) = x W + b.

    With squared error this is linear regression (`l2`: ridge, `l1`: lasso), with cross entropy softmax regression.

    initializer: how kernels are drawn; biases start at 0
    share: groups of layers that share parameters, e.g. [[hidden_1, hidden_2]]; their shapes must be equal

    Sites: input.
    Source: Hastie, Tibshirani, Friedman, The Elements of Statistical Learning, 2009, ch. 3 and 4.
    """

    def has_hidden(self) -> bool:
        return False

    def init(self, key: Key, shape: tuple[int, ...], outputs: int, has_bias: HasBias) -> Params:
        kernel = (prod(shape), outputs)
        return {"output": init_layer(self.initializer, key, "output", kernel, has_bias)}

    def apply(self, params: Params, x: Float[Array, "batch ..."], at: At) -> Float[Array, "batch outputs"]:
        x = at("input", x)
        return dense(params["output"], x.reshape(x.shape[0], -1))
