"""Adversarial training by the fast gradient sign method."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from regexp.core.component import Fraction, NonNegative, component
from regexp.core.lazy import jax, jnp
from regexp.regularizers.adversarial.attack import ascend
from regexp.regularizers.base import Array, Batch, Regularizer


@component
class FGSM(Regularizer):
    """x' = clip(x + e sign(grad_x J(x, y))); the loss becomes m J(x, y) + (1 - m) J(x', y).

    epsilon: e >= 0 in raw input units (images: 1 is black to white); 0 is off
    mix: m in [0, 1]; 1 is off, 0 trains on adversarial examples alone
    random_start: start from x + u, u uniform in the e-ball (Wong et al. 2020); the step stays e, projected

    Convention: the attack is on raw inputs, before standardisation, clipped to the range of the training data; the
    same masks (dropout) act in the attack and in the update. Batch norm takes each pass's own statistics, and its
    running ones are the clean pass's. About twice the cost of a step.
    Source: Goodfellow, Shlens, Szegedy 2015.
    """

    neutral = {"epsilon": 0.0}
    epsilon: NonNegative = 0.1
    mix: Fraction = 0.5
    random_start: bool = False

    def transform_loss(
        self, loss: Callable[[Any, Batch], tuple[Array, Any]], key: Array
    ) -> Callable[[Any, Batch], tuple[Array, Any]]:
        def mixed(variables: Any, batch: Batch) -> tuple[Array, Any]:
            attacked = self.attack(lambda x: loss(variables, batch._replace(inputs=x))[0], batch, key)
            clean, state = loss(variables, batch)
            adversarial, _ = loss(variables, batch._replace(inputs=attacked))
            return self.mix * clean + (1 - self.mix) * adversarial, state

        return mixed

    def attack(self, loss: Callable[[Array], Array], batch: Batch, key: Array) -> Array:
        """The adversarial inputs; no gradient flows through them."""
        x = batch.inputs
        start = x
        if self.random_start:
            noise = jax.random.uniform(key, x.shape, x.dtype, -1, 1)
            start = jnp.clip(x + self.epsilon * noise, batch.low, batch.high)
        return ascend(loss, x, start, batch.low, batch.high, self.epsilon, steps=1)
