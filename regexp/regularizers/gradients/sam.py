"""Sharpness-aware minimisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jax, jnp, optax
from regexp.regularizers.base import Regularizer


@component
class SAM(Regularizer):
    """g' = grad J(w + r g/||g||_2), g = grad J(w): the optimizer gets the gradient at the worst point near w.

    "Worst" to first order, among all points no further than r away.

    radius: r >= 0, a length in weight space, over all trained numbers together; 0 is off

    Convention: both passes see the same batch and masks; the loss, and batch norm's running statistics, are the first
    pass's. J holds the penalties too (`l1`, `l2`, ...), as their gradients do; `weight_decay` stays outside. About
    twice the cost of a step. Clipping after it in the YAML acts on g', clipping before it on g and g'.
    Source: Foret, Kleiner, Mobahi, Neyshabur 2021 (r = 0.05).
    """

    neutral = {"radius": 0.0}
    radius: NonNegative = 0.05

    def transform_gradient(self, gradient: Callable[[Any], tuple[Any, Any]]) -> Callable[[Any], tuple[Any, Any]]:
        def sharp(parameters: Any) -> tuple[Any, Any]:
            first, grads = gradient(parameters)
            step = self.radius / jnp.maximum(optax.tree.norm(grads), 1e-12)  # at g = 0 there is no direction to climb
            worst = jax.tree.map(lambda w, g: w + step * g, parameters, grads)
            return first, gradient(worst)[1]

        return sharp
