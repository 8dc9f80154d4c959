"""The contract of a model: two pure functions of pytrees.

Parameters are `{layer: {"kernel": ..., "bias": ...}}`. `apply` passes the activations at every site through `at`, where
regularizers act:

    x = at("input", x); x = dense(x); x = at("hidden_0/pre", x); x = relu(x); x = at("hidden_0/post", x); ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

from regexp.core.component import Catalogue, Component, component
from regexp.core.errors import UsageError
from regexp.core.shapes import Array, Float, Key
from regexp.initializers.base import Initializer
from regexp.initializers.he import He

Layer = dict[str, Array]  # {"kernel": ..., "bias": ...}
Params = dict[str, Layer]
At = Callable[..., Array]  # (site name, x, depth=1.0) -> x
HasBias = Callable[[str], bool]  # layer name -> False if a method makes its bias redundant

Activation = Literal["sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu"]


@component
class Model(Component):
    """The base of all models, with the fields that they share.

    initializer: how kernels are drawn; biases start at 0
    share: groups of layers that share parameters, e.g. [[hidden_1, hidden_2]]; their shapes must be equal
    """

    images_only: ClassVar[bool] = False
    residual: ClassVar[bool] = False  # whether it has `residual` sites
    initializer: Initializer = He()
    share: tuple[tuple[str, ...], ...] = ()

    def has_hidden(self) -> bool:
        """Return whether there is a layer before the output."""
        return True

    def init(self, key: Key, shape: tuple[int, ...], outputs: int, has_bias: HasBias) -> Params:
        """Draw parameters for inputs (B, *shape); a layer's draw depends only on `key` and the layer's name."""
        raise TypeError(f"{type(self).__name__} defines no init")

    def apply(self, params: Params, x: Float[Array, "batch ..."], at: At) -> Float[Array, "batch outputs"]:
        """Return the outputs of a batch: logits for classification, predictions for regression."""
        raise TypeError(f"{type(self).__name__} defines no apply")


def without_copies(share: tuple[tuple[str, ...], ...], params: Params) -> Params:
    """Return the parameters without shared copies: each group is represented by its first layer.

    The first layer has a bias if any layer of the group has one.
    Raises UsageError for an unknown layer or for different kernel shapes.
    """
    copies = set()
    for first, *others in share:
        for name in (first, *others):
            if name not in params:
                raise UsageError(f'model.share: there is no layer "{name}"; there are {", ".join(params)}')
            first_shape, shape = params[first]["kernel"].shape, params[name]["kernel"].shape
            if first_shape != shape:
                raise UsageError(f"model.share: {first} is {first_shape} and {name} {shape}; shapes must be equal")
            params = params | {first: params[name] | params[first]}
        copies |= set(others)
    return {name: layer for name, layer in params.items() if name not in copies}


def with_copies(share: tuple[tuple[str, ...], ...], params: Params) -> Params:
    """Return every layer's parameters, copied from the trained ones."""
    return params | {name: params[first] for first, *others in share for name in others}


CATALOGUE: Catalogue[Model] = Catalogue("model", "regexp.models", "linear", "mlp", "cnn", "resnet")
