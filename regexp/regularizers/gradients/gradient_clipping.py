"""Gradient clipping: bound the gradient's norm or each of its elements."""

from __future__ import annotations

from typing import Any

from regexp.core.component import Positive, component
from regexp.core.lazy import jax, jnp, optax
from regexp.core.problems import Problem
from regexp.core.shapes import Array, Tree
from regexp.regularizers.base import ObjectiveGradient, Regularizer


@component
class GradientClipping(Regularizer):
    """norm: g <- g min(1, c/||g||_2), ||g|| over all trained parameters; value: g_i <- min(max(g_i, -v), v).

    norm: c > 0, null is off; a finite c above every ||g|| has no effect
    value: v > 0 for each element, null is off

    Convention: g is the gradient of data loss and penalties, averaged over the minibatch, before the optimizer; ||g||
    includes biases, gamma and beta. If both are set, the norm is clipped first. PyTorch's clip_grad_norm_
    divides by ||g|| + 1e-6.
    Source: Pascanu, Mikolov, Bengio 2013 (norm); Mikolov 2012 (value).
    """

    neutral = {"norm": 1e9}
    norm: Positive | None = 1.0
    value: Positive | None = None

    def conflicts(self, experiment: Any) -> list[Problem]:
        nothing = self.norm is None and self.value is None
        return [Problem("gradient_clipping needs a norm or a value; both are null")] if nothing else []

    def transform_gradient(self, gradient: ObjectiveGradient) -> ObjectiveGradient:
        def clipped(parameters: Tree) -> tuple[tuple[Array, Tree], Tree]:
            loss_and_state, grads = gradient(parameters)
            return loss_and_state, self.clip(grads)

        return clipped

    def clip(self, grads: Tree) -> Tree:
        """Return the gradients within the bounds."""
        norm, value = self.norm, self.value
        if norm is not None:
            factor = norm / jnp.maximum(optax.tree.norm(grads), norm)
            grads = jax.tree.map(lambda g: g * factor, grads)
        if value is not None:
            grads = jax.tree.map(lambda g: jnp.clip(g, -value, value), grads)
        return grads
