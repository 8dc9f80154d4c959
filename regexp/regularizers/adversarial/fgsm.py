"""Train on adversarial inputs from the fast gradient sign method."""

from __future__ import annotations

from collections.abc import Callable

from regexp.core.component import Fraction, NonNegative, component
from regexp.core.lazy import jax, jnp
from regexp.core.shapes import Array, Float, Key, Tree
from regexp.regularizers.adversarial.attack import ascend
from regexp.regularizers.base import Batch, DataLoss, Regularizer


@component
class FGSM(Regularizer):
    """x' = clip(x + e sign(grad_x J(x, y))); the loss becomes m J(x, y) + (1 - m) J(x', y).

    epsilon: e >= 0 in raw input units (images: 1 is black to white); 0 is off
    mix: m in [0, 1]; 1 is off, 0 trains only on adversarial examples
    random_start: start from x + u, u uniform in the e-ball (Wong et al. 2020); the step stays e, projected

    Convention: the attack changes raw inputs, before standardisation, clipped to the range of the training data; the
    attack and the update use the same masks (dropout). Batch norm uses the statistics of each pass, and the clean
    pass updates the running ones. A step costs about twice as much.
    Source: Goodfellow, Shlens, Szegedy 2015.
    """

    neutral = {"epsilon": 0.0}
    epsilon: NonNegative = 0.1
    mix: Fraction = 0.5
    random_start: bool = False

    def transform_loss(self, loss: DataLoss, key: Key) -> DataLoss:
        def mixed(variables: Tree, batch: Batch) -> tuple[Array, Tree]:
            attacked = self.attack(lambda x: loss(variables, batch._replace(inputs=x))[0], batch, key)
            clean, state = loss(variables, batch)
            adversarial, _ = loss(variables, batch._replace(inputs=attacked))
            return self.mix * clean + (1 - self.mix) * adversarial, state

        return mixed

    def attack(self, loss: Callable[[Array], Array], batch: Batch, key: Key) -> Float[Array, "batch ..."]:
        """Return the adversarial inputs; no gradient flows through them."""
        x = batch.inputs
        start = x
        if self.random_start:
            noise = jax.random.uniform(key, x.shape, x.dtype, -1, 1)
            start = jnp.clip(x + self.epsilon * noise, batch.low, batch.high)
        return ascend(loss, x, start, batch.low, batch.high, self.epsilon, steps=1)
