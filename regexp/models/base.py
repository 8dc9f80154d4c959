"""The contract of a model: two pure functions of pytrees.

Parameters are `{layer: {"kernel": ..., "bias": ...}}`. `apply` offers every place a regularizer may act at to `at`:

    x = at("input", x); x = dense(x); x = at("hidden_0/pre", x); x = relu(x); x = at("hidden_0/post", x); ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from regexp.component import Catalogue, Component, component
from regexp.initializers.base import Initializer
from regexp.initializers.he import He

Array = Any
Params = dict[str, dict[str, Array]]
At = Callable[..., Array]  # (site name, x, depth=1.0) -> x
HasBias = Callable[[str], bool]  # of a layer's name: False where a method makes its bias void

Activation = Literal["sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu"]


@component
class Model(Component):
    """Fields that every model has.

    initializer: how kernels are drawn; biases start at 0
    """

    images_only: ClassVar[bool] = False
    residual: ClassVar[bool] = False  # whether it offers `residual` sites
    initializer: Initializer = He()

    def init(self, key: Array, shape: tuple[int, ...], outputs: int, has_bias: HasBias) -> Params:
        """First parameters for inputs (B, *shape); a layer's draw depends on `key` and its own name alone."""
        raise TypeError(f"{type(self).__name__} defines no init")

    def apply(self, params: Params, x: Array, at: At) -> Array:
        """Inputs (B, *shape) -> outputs (B, outputs): logits, or predictions for regression."""
        raise TypeError(f"{type(self).__name__} defines no apply")


CATALOGUE: Catalogue[Model] = Catalogue("model", "regexp.models", "linear", "mlp", "cnn", "resnet")
