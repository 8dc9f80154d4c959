"""Gradient clipping: no gradient is larger than a bound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from regexp.core.component import Positive, component
from regexp.core.lazy import jax, jnp, optax
from regexp.regularizers.base import Regularizer


@component
class GradientClipping(Regularizer):
    """norm: g <- g min(1, c/||g||_2), ||g|| over all trained numbers together; value: g_i <- min(max(g_i, -v), v).

    norm: c > 0, null is off; a finite c above every ||g|| never acts
    value: v > 0 for each element, null is off

    Convention: of the gradient of data loss and penalties, minibatch mean, before the optimizer; biases, gamma and beta
    count in ||g||. With both, by norm first. PyTorch's clip_grad_norm_ divides by ||g|| + 1e-6.
    Source: Pascanu, Mikolov, Bengio 2013 (norm); Mikolov 2012 (value).
    """

    neutral = {"norm": 1e9}
    norm: Positive | None = 1.0
    value: Positive | None = None

    def conflicts(self, experiment: Any) -> list[str]:
        nothing = self.norm is None and self.value is None
        return ["gradient_clipping needs a norm or a value; both are null"] if nothing else []

    def transform_gradient(self, gradient: Callable[[Any], tuple[Any, Any]]) -> Callable[[Any], tuple[Any, Any]]:
        def clipped(parameters: Any) -> tuple[Any, Any]:
            value, grads = gradient(parameters)
            return value, self.clip(grads)

        return clipped

    def clip(self, grads: Any) -> Any:
        """The same tree within the bounds."""
        norm, value = self.norm, self.value
        if norm is not None:
            factor = norm / jnp.maximum(optax.tree.norm(grads), norm)
            grads = jax.tree.map(lambda g: g * factor, grads)
        if value is not None:
            grads = jax.tree.map(lambda g: jnp.clip(g, -value, value), grads)
        return grads
