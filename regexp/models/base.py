"""The contract of a model: two pure functions of pytrees.

Parameters are `{layer: {"kernel": ..., "bias": ...}}`. `apply` offers every place a regularizer may act at to `at`:

    x = at("input", x); x = dense(x); x = at("hidden_0/pre", x); x = relu(x); x = at("hidden_0/post", x); ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from regexp.core.component import Catalogue, Component, component
from regexp.core.errors import UsageError
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
    share: groups of layers that hold one parameter, e.g. [[hidden_1, hidden_2]]; their shapes must be equal
    """

    images_only: ClassVar[bool] = False
    residual: ClassVar[bool] = False  # whether it offers `residual` sites
    initializer: Initializer = He()
    share: tuple[tuple[str, ...], ...] = ()

    def has_hidden(self) -> bool:
        """Whether there is a layer before the output."""
        return True

    def init(self, key: Array, shape: tuple[int, ...], outputs: int, has_bias: HasBias) -> Params:
        """First parameters for inputs (B, *shape); a layer's draw depends on `key` and its own name alone."""
        raise TypeError(f"{type(self).__name__} defines no init")

    def apply(self, params: Params, x: Array, at: At) -> Array:
        """Inputs (B, *shape) -> outputs (B, outputs): logits, or predictions for regression."""
        raise TypeError(f"{type(self).__name__} defines no apply")


def without_copies(share: tuple[tuple[str, ...], ...], params: Params) -> Params:
    """Parameters with the first layer of each group alone. Raises UsageError where layers cannot be one.

    The first has a bias where any of the group needs one.
    """
    copies = set()
    for first, *others in share:
        for name in (first, *others):
            if name not in params:
                raise UsageError(f'model.share: there is no layer "{name}"; there are {", ".join(params)}')
            ours, theirs = params[first]["kernel"].shape, params[name]["kernel"].shape
            if ours != theirs:
                raise UsageError(f"model.share: {first} is {ours} and {name} {theirs}; shapes must be equal")
            params = params | {first: params[name] | params[first]}
        copies |= set(others)
    return {name: layer for name, layer in params.items() if name not in copies}


def with_copies(share: tuple[tuple[str, ...], ...], params: Params) -> Params:
    """Every layer's parameters, from those that are trained."""
    return params | {name: params[first] for first, *others in share for name in others}


CATALOGUE: Catalogue[Model] = Catalogue("model", "regexp.models", "linear", "mlp", "cnn", "resnet")
