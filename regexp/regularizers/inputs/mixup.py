"""Mixup: interpolate linearly between pairs of examples."""

from __future__ import annotations

from regexp.core.component import NonNegative, component
from regexp.core.lazy import jax, jnp
from regexp.core.prng import symmetric_beta
from regexp.core.shapes import Array, Int, Key, Scalar
from regexp.regularizers.base import Batch, Regularizer


@component
class Mixup(Regularizer):
    """x' = lam x_i + (1 - lam) x_j, t' = lam t_i + (1 - lam) t_j, lam ~ Beta(alpha, alpha); training batches only.

    j is i's partner by a random permutation of the batch. Works for images and tables, classes and numbers.

    alpha: >= 0; 0 is off, 1 draws lam uniformly, large alpha makes lam = 1/2

    Convention: one lam per batch, as in the authors' code. Raw inputs are mixed, before preprocessing, which is
    equivalent for affine steps. A number missing in either example is missing in the mixture.
    Source: Zhang, Cisse, Dauphin, Lopez-Paz 2018 (alpha 0.1 to 0.4 for ImageNet, 1 for CIFAR-10).
    """

    neutral = {"alpha": 0.0}
    needs_others = True
    alpha: NonNegative = 0.2

    def transform_batch(self, batch: Batch, key: Key) -> Batch:
        weight_key, partner_key = jax.random.split(key)
        partner = jax.random.permutation(partner_key, batch.inputs.shape[0])
        return self.mixed(batch, symmetric_beta(weight_key, self.alpha), partner)

    def mixed(self, batch: Batch, weight: Scalar, partner: Int[Array, " batch"]) -> Batch:
        """Return `weight` times each example plus 1 - `weight` times its partner."""

        def between(x: Array) -> Array:
            # At weight 1 the partner must not be added: 0 times a missing number (NaN) is missing.
            return jnp.where(weight < 1, weight * x + (1 - weight) * x[partner], x)

        return batch._replace(inputs=between(batch.inputs), targets=between(batch.targets))
